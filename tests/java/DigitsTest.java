import com.example.digits.Code;
import com.example.digits.Model;
import com.example.digits.ModelException;
import com.example.digits.Prediction;
import com.example.digits.Session;
import com.example.digits.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;

/** Runs the jar of the digit network: DigitsTest GOLDEN MODEL.amg CYCLES. */
public final class DigitsTest {
    private static final int SIZE = 64;

    /** A line of the golden file: pixels of 0 to 255, and 10 scores. */
    private static final class Vector {
        final byte[] pixels = new byte[SIZE];
        final float[] values = new float[SIZE];
        final float[] scores = new float[10];

        Vector(String line) {
            String[] words = line.trim().split(" ");
            check(words.length == SIZE + 11, "a line of the golden file");
            for (int i = 0; i < SIZE; i++) {
                pixels[i] = (byte) Integer.parseInt(words[i]);
                values[i] = Integer.parseInt(words[i]) / 255f;
            }
            for (int i = 0; i < 10; i++) {
                scores[i] = Float.parseFloat(words[SIZE + 1 + i]);
            }
        }
    }

    private interface Call {
        void run() throws Exception;
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static void near(float[] got, float[] wanted) {
        check(got.length == wanted.length, got.length + " scores");
        for (int i = 0; i < got.length; i++) {
            check(Math.abs(got[i] - wanted[i]) <= 1e-5f, "score " + i + " is " + got[i] + ", not " + wanted[i]);
        }
    }

    private static void fails(String what, int code, String words, Call call) throws Exception {
        try {
            call.run();
        } catch (ModelException e) {
            check(e.code() == code, what + ": code " + e.code() + ", " + e.getMessage());
            check(e.getMessage().contains(words), what + ": " + e.getMessage() + " says nothing of " + words);
            return;
        }
        throw new AssertionError(what + ": no exception");
    }

    private static float[] run(Model m, float[] x) {
        return m.run(Collections.singletonMap("image", x)).get("probabilities");
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    private static void golden(List<Vector> vectors) {
        try (Model m = Model.open(); Session s = m.newSession()) {
            TensorInfo in = m.inputs().get(0);
            check(in.toString().equals("image: float32[1, 1, 8, 8]") && in.size() == SIZE && in.bytes() == 256, in.toString());
            check(m.label(7).equals("7") && m.label(10) == null && m.meta("nothing") == null, "labels");
            ByteBuffer x = buffer(256 + 8);
            ByteBuffer y = buffer(40);
            ByteBuffer pixels = buffer(SIZE);
            for (Vector v : vectors) {
                near(run(m, v.values), v.scores);
                s.write(0, v.values);
                s.run();
                near(s.read(0), v.scores);
                x.position(8);
                x.asFloatBuffer().put(v.values);
                s.write(0, x);
                s.run();
                s.read(0, y);
                float[] scores = new float[10];
                y.asFloatBuffer().get(scores);
                near(scores, v.scores);
                pixels.clear();
                pixels.put(v.pixels).flip();
                for (List<Prediction> best : Arrays.asList(m.classify(v.pixels, 8, 8, 10), s.classify(pixels, 8, 8, 99))) {
                    check(best.size() == 10 && best.get(0).score() >= best.get(1).score(), best.toString());
                    for (Prediction p : best) {
                        scores[p.classIndex()] = p.score();
                        check(p.label().equals(String.valueOf(p.classIndex())), p.toString());
                    }
                    near(scores, v.scores);
                }
            }
            batch(s, vectors);
        }
    }

    private static void batch(Session s, List<Vector> vectors) {
        s.setShape(0, 3, 1, 8, 8);
        check(s.output(0).toString().equals("probabilities: float32[3, 10]"), s.output(0).toString());
        float[] x = new float[3 * SIZE];
        for (int i = 0; i < 3; i++) {
            System.arraycopy(vectors.get(i).values, 0, x, i * SIZE, SIZE);
        }
        s.write(0, x);
        s.run();
        for (int i = 0; i < 3; i++) {
            near(Arrays.copyOfRange(s.read(0), i * 10, i * 10 + 10), vectors.get(i).scores);
        }
    }

    /** Runs that are cancelled from another thread: the batch is so large that a run outlasts what keeps that from its turn. */
    private static void cancelled(Vector v) throws Exception {
        int count = 1 << 12;
        float[] x = new float[count * SIZE];
        for (int i = 0; i < count; i++) {
            System.arraycopy(v.values, 0, x, i * SIZE, SIZE);
        }
        try (Model m = Model.open()) {
            Session s = m.newSession();
            s.setShape(0, count, 1, 8, 8);
            s.cancel(); // nothing is under way: the next run is not cancelled
            AtomicBoolean ended = new AtomicBoolean();
            for (int i = 0; i < 3; i++) {
                s.write(0, x);
                s.run();
                near(Arrays.copyOf(s.read(0), 10), v.scores);
                ended.set(false);
                Thread other = new Thread(() -> {
                    while (!ended.get()) {
                        s.cancel();
                    }
                });
                other.start();
                fails("cancelled", Code.CANCELLED, "before layer", s::run);
                ended.set(true);
                other.join();
            }
            s.close();
            s.cancel();
        }
    }

    private static void threads(List<Vector> vectors) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        try (Model m = Model.open()) {
            float[][] wanted = new float[vectors.size()][];
            for (int i = 0; i < wanted.length; i++) {
                wanted[i] = run(m, vectors.get(i).values);
            }
            List<Future<Void>> all = new ArrayList<>();
            for (int t = 0; t < 8; t++) {
                int first = t;
                all.add(pool.submit((Callable<Void>) () -> {
                    for (int i = 0; i < 200; i++) {
                        int at = (i + first) % wanted.length;
                        check(Arrays.equals(run(m, vectors.get(at).values), wanted[at]), "thread " + first + ", run " + i);
                    }
                    return null;
                }));
            }
            for (Future<Void> f : all) {
                f.get();
            }
            Model closing = Model.open();
            Session own = closing.newSession();
            all.clear();
            for (int t = 0; t < 4; t++) {
                all.add(pool.submit((Callable<Void>) () -> {
                    try {
                        for (int i = 0; i < 1000; i++) {
                            run(closing, vectors.get(0).values);
                            own.run();
                        }
                    } catch (ModelException e) {
                        check(e.code() == Code.ARGUMENT && e.getMessage().contains("closed"), e.getMessage());
                    }
                    return null;
                }));
            }
            closing.close();
            own.close();
            for (Future<Void> f : all) {
                f.get();
            }
        } finally {
            pool.shutdown();
        }
    }

    private static void faults(Vector v, String path) throws Exception {
        Model closed = Model.open();
        Session orphan = closed.newSession();
        closed.close();
        closed.close();
        orphan.write(0, v.values);
        orphan.run(); // a session outlives its model
        near(orphan.read(0), v.scores);
        orphan.close();
        orphan.close();
        byte[] good = Files.readAllBytes(Paths.get(path));
        byte[] bad = good.clone();
        bad[300] ^= 0x55;
        ByteBuffer data = buffer(good.length);
        data.put(good).flip();
        ByteBuffer damaged = buffer(bad.length);
        damaged.put(bad).flip();
        Path file = Files.createTempFile("damaged", ".amg");
        byte[] weights = good.clone();
        weights[good.length - 1] ^= 0x55;
        Files.write(file, weights);
        ByteBuffer other = buffer(good.length);
        other.put(weights).flip();
        try (Model m = Model.open(); Session s = m.newSession(); Model named = Model.open(path); Model memory = Model.open(data)) {
            near(run(named, v.values), v.scores);
            near(run(memory, v.values), v.scores);
            float[] x = v.values;
            fails("short input", Code.SHAPE, "64 elements, not 63", () -> run(m, new float[63]));
            fails("null input", Code.ARGUMENT, "missing", () -> run(m, null));
            fails("no input", Code.ARGUMENT, "missing", () -> m.run(Collections.<String, float[]>emptyMap()));
            fails("another name", Code.ARGUMENT, "image", () -> m.run(Collections.singletonMap("x", x)));
            fails("closed model", Code.ARGUMENT, "closed", () -> run(closed, x));
            fails("closed label", Code.ARGUMENT, "closed", () -> closed.label(0));
            fails("closed session", Code.ARGUMENT, "closed", () -> orphan.run());
            fails("wrong type", Code.ARGUMENT, "another type", () -> s.write(0, new long[SIZE]));
            fails("no such input", Code.ARGUMENT, "there are 1", () -> s.write(1, x));
            fails("heap buffer", Code.ARGUMENT, "not direct", () -> s.write(0, ByteBuffer.allocate(256)));
            fails("short buffer", Code.SHAPE, "256 bytes, not 252", () -> s.write(0, buffer(252)));
            fails("read-only buffer", Code.ARGUMENT, "read-only", () -> s.read(0, buffer(40).asReadOnlyBuffer()));
            fails("null map", Code.ARGUMENT, "null", () -> m.run(null));
            fails("null pixels", Code.ARGUMENT, "null", () -> m.classify(null, 8, 8, 1));
            fails("null pixels", Code.ARGUMENT, "null", () -> s.classify((ByteBuffer) null, 8, 8, 1));
            fails("null path", Code.ARGUMENT, "null", () -> Model.open((String) null));
            fails("null data", Code.ARGUMENT, "null", () -> Model.open((ByteBuffer) null));
            fails("null key", Code.ARGUMENT, "null", () -> m.meta(null));
            fails("null shape", Code.ARGUMENT, "null", () -> s.setShape(0, (long[]) null));
            fails("null floats", Code.ARGUMENT, "null", () -> s.write(0, (float[]) null));
            fails("null longs", Code.ARGUMENT, "null", () -> s.write(0, (long[]) null));
            fails("null buffer", Code.ARGUMENT, "null", () -> s.read(0, (ByteBuffer) null));
            fails("no axes", Code.SHAPE, "axes", () -> s.setShape(0));
            fails("a negative axis", Code.SHAPE, "not positive", () -> s.setShape(0, -1, 1, 8, 8));
            fails("wrong rank", Code.SHAPE, "axes", () -> s.setShape(0, 64));
            fails("too many axes", Code.SHAPE, "", () -> s.setShape(0, new long[9]));
            fails("wrong channels", Code.SHAPE, "", () -> s.setShape(0, 1, 2, 8, 8));
            fails("pixels missing", Code.SHAPE, "8 x 9", () -> m.classify(v.pixels, 8, 9, 1));
            fails("no pixels", Code.SHAPE, "0 x 0", () -> m.classify(new byte[0], 0, 0, 1));
            fails("negative k", Code.ARGUMENT, "negative", () -> m.classify(v.pixels, 8, 8, -1));
            fails("no file", Code.FILE, "nothing.amg", () -> Model.open("nothing.amg"));
            fails("damaged", Code.CHECKSUM, "", () -> Model.open(damaged));
            fails("damaged weights", Code.CHECKSUM, "weights", () -> Model.open(other));
            fails("damaged file", Code.CHECKSUM, "weights", () -> Model.open(file.toString()));
            Files.delete(file);
            fails("cut off", Code.FORMAT, "header", () -> Model.open(buffer(30)));
            fails("heap data", Code.ARGUMENT, "direct", () -> Model.open(ByteBuffer.allocate(9)));
            fails("threads", Code.ARGUMENT, "", () -> m.newSession(1 << 20, 0));
            fails("instructions of another processor", Code.UNSUPPORTED, "", () -> m.newSession(1, 6));
            near(run(m, x), v.scores);
            s.write(0, x);
            s.run();
            near(s.read(0), v.scores);
        }
    }

    private static long resident() throws Exception {
        for (String line : Files.readAllLines(Paths.get("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        throw new AssertionError("no VmRSS");
    }

    /** Models that are closed, then models that are forgotten, which are of no weight to the garbage collector itself. */
    private static void cycles(float[] x, int count) throws Exception {
        for (boolean closing : new boolean[] {true, false}) {
            long before = 0;
            for (int round = 0; round < 3; round++) {
                before = round < 2 ? resident() : before;
                for (int i = 0; i < count; i++) {
                    Model m = Model.open();
                    run(m, x);
                    if (closing) {
                        m.close();
                    } else if (i % 100 == 99) {
                        System.gc();
                        Thread.sleep(10);
                    }
                }
                System.gc();
            }
            long grown = resident() - before;
            check(grown < 12 << 10, grown + " KiB more after " + 2 * count + " models, closing " + closing);
        }
    }

    public static void main(String[] args) throws Exception {
        List<Vector> vectors = new ArrayList<>();
        for (String line : Files.readAllLines(Paths.get(args[0]))) {
            vectors.add(new Vector(line));
        }
        check(vectors.size() >= 20, "golden vectors");
        golden(vectors);
        cancelled(vectors.get(0));
        threads(vectors);
        faults(vectors.get(0), args[1]);
        cycles(vectors.get(0).values, Integer.parseInt(args[2]));
        System.out.println("ok");
    }
}
