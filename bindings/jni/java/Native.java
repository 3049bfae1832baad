package amalgamated;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** The functions of the native library, and where it is looked for. */
final class Native {
    /** The library without what a system adds around it. */
    static final String LIBRARY = "@LIBRARY@";
    /** A system property that may hold the path of the library. */
    static final String PROPERTY = "@PROPERTY@";
    /** The resource that holds the weights, or nothing where the library does. */
    static final String WEIGHTS = "@WEIGHTS@";
    /** How many bytes these are. */
    static final int WEIGHTS_BYTES = @WEIGHTS_BYTES@;

    static final int INPUT = 0;
    static final int OUTPUT = 1;
    static final int SAID = 512;

    private static boolean loaded;
    private static ByteBuffer weights;
    private static boolean complete; // the weights are all there

    private Native() {}

    static native int open(byte[] path, ByteBuffer data, long[] model, byte[] said);

    static native ByteBuffer memory(int bytes);

    static native void close(long model);

    static native byte[] strerror(int status);

    static native int count(long model, int kind);

    static native byte[] name(long model, int kind, int i);

    static native long[] shape(long model, int kind, int i);

    static native long[] sessionShape(long session, int kind, int i);

    static native byte[] label(long model, int index);

    static native byte[] meta(long model, byte[] key);

    static native int sessionNew(long model, int threads, int isa, ByteBuffer stop, long[] session);

    static native void sessionFree(long session);

    static native byte[] message(long session);

    static native int setShape(long session, int i, long[] dims);

    static native int floats(long session, int kind, int i, float[] array);

    static native int longs(long session, int kind, int i, long[] array);

    static native int buffer(long session, int kind, int i, ByteBuffer buffer, int at, int size);

    static native int setImage(
            long session, int i, byte[] array, ByteBuffer buffer, int at, int w, int h, int stride, int format);

    static native int run(long session);

    static native int topk(long session, int i, int[] classes, float[] scores);

    static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    /** The text up to its first zero. */
    static String upToZero(byte[] bytes) {
        int size = 0;
        while (size < bytes.length && bytes[size] != 0) {
            size++;
        }
        return new String(bytes, 0, size, StandardCharsets.UTF_8);
    }

    static byte[] withZero(String text) {
        return (text + "\0").getBytes(StandardCharsets.UTF_8);
    }

    static ModelException fault(int status, String message) {
        String general = text(strerror(status));
        return new ModelException(status, message == null || message.isEmpty() ? general : general + ": " + message);
    }

    /** Loads the library once: from the path in a system property, the library path, or this jar. */
    static synchronized void load() {
        if (loaded) {
            return;
        }
        List<String> looked = new ArrayList<>();
        String named = System.getProperty(PROPERTY);
        if (named != null) {
            looked.add("system property " + PROPERTY + " = " + named);
            try {
                System.load(new File(named).getAbsolutePath());
            } catch (UnsatisfiedLinkError e) {
                throw new ModelException(Code.FILE, missing(looked, e), e);
            }
            loaded = true;
            return;
        }
        try {
            looked.add("java.library.path = " + System.getProperty("java.library.path"));
            System.loadLibrary(LIBRARY);
            loaded = true;
            return;
        } catch (UnsatisfiedLinkError e) {
            // The jar is left.
        }
        Throwable cause = null;
        for (String platform : platforms()) {
            String resource = "/native/" + platform + "/" + System.mapLibraryName(LIBRARY);
            looked.add("resource " + resource);
            try (InputStream in = Native.class.getResourceAsStream(resource)) {
                if (in != null) {
                    extracted(in);
                    loaded = true;
                    return;
                }
            } catch (IOException | UnsatisfiedLinkError e) {
                looked.add("copied to " + System.getProperty("java.io.tmpdir"));
                cause = e;
            }
        }
        throw new ModelException(Code.FILE, missing(looked, cause), cause);
    }

    /** Loads a copy of the library in a new folder that only this user can enter. */
    private static void extracted(InputStream in) throws IOException {
        Path folder = Files.createTempDirectory(LIBRARY + "-");
        Path file = folder.resolve(System.mapLibraryName(LIBRARY));
        try {
            Files.copy(in, file);
            System.load(file.toString());
        } finally {
            if (!file.toFile().delete()) { // Windows keeps files that are in use
                folder.toFile().deleteOnExit();
                file.toFile().deleteOnExit();
            }
            folder.toFile().delete();
        }
    }

    private static String missing(List<String> looked, Throwable cause) {
        String why = cause == null ? "" : ": " + cause.getMessage();
        return "no native library " + LIBRARY + " for " + platform() + "; looked in " + String.join(", ", looked) + why;
    }

    /** Such as linux-x86_64. */
    static String platform() {
        String os = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
        String arch = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
        String system = os.startsWith("mac") ? "macos" : os.startsWith("windows") ? "windows" : os.replace(' ', '_');
        String processor = arch.equals("amd64") ? "x86_64" : arch.equals("arm64") ? "aarch64" : arch;
        return system + "-" + (processor.equals("arm") ? "armv7" : processor);
    }

    /** The folders of the jar whose libraries may run here: on Linux those for both C libraries, musl first where it is. */
    private static List<String> platforms() {
        String platform = platform();
        if (!platform.startsWith("linux-")) {
            return Collections.singletonList(platform);
        }
        String musl = platform.replace("linux-", "linux-musl-");
        String[] loaders = new File("/lib").list((folder, name) -> name.startsWith("ld-musl-"));
        boolean first = loaders != null && loaders.length > 0;
        return first ? Arrays.asList(musl, platform) : Arrays.asList(platform, musl);
    }

    /** The weights, where the library does not hold them: read once, for every model; null where it does. */
    static synchronized ByteBuffer weights() {
        if (WEIGHTS.isEmpty() || complete) {
            return weights;
        }
        weights = weights == null ? memory(WEIGHTS_BYTES) : weights;
        if (weights == null) {
            throw new ModelException(Code.MEMORY, "no room for " + WEIGHTS_BYTES + " bytes of weights");
        }
        try (InputStream in = Native.class.getResourceAsStream(WEIGHTS)) {
            if (in == null) {
                throw new ModelException(Code.FILE, "no resource " + WEIGHTS);
            }
            weights.clear();
            byte[] piece = new byte[1 << 16];
            while (weights.hasRemaining()) {
                int read = in.read(piece, 0, Math.min(piece.length, weights.remaining()));
                if (read < 0) {
                    throw new ModelException(Code.FILE, "resource " + WEIGHTS + " ends too early");
                }
                weights.put(piece, 0, read);
            }
        } catch (IOException e) {
            throw new ModelException(Code.FILE, "cannot read resource " + WEIGHTS + ": " + e.getMessage(), e);
        }
        complete = true;
        return weights;
    }
}
