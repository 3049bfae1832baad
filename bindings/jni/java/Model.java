package amalgamated;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A network. It may be used from many threads at once: each run takes an idle session, or makes one.
 *
 * <p>Close it when you are done; one that is forgotten is freed by the garbage collector where there is
 * java.lang.ref.Cleaner.
 */
public final class Model implements AutoCloseable {
    private final Handle handle;
    private final List<TensorInfo> inputs;
    private final List<TensorInfo> outputs;

    private Model(long model, ByteBuffer keep) {
        handle = new Handle(model, keep);
        inputs = describe(model, Native.INPUT);
        outputs = describe(model, Native.OUTPUT);
        Handle forgotten = handle;
        Cleanup.register(this, forgotten::close);
    }

    /**
     * Opens the model of this jar.
     *
     * @return the model
     */
    public static Model open() {
        Native.load();
        return opened(null, Native.weights());
    }

    /**
     * Opens a .amg file whose operators are those of the model of this jar.
     *
     * @param path where it lies
     * @return the model
     */
    public static Model open(String path) {
        ModelException.given(path, "the path");
        Native.load();
        return opened(Native.withZero(path), null);
    }

    /**
     * Opens the bytes of a .amg file. They must not change as long as the model is open.
     *
     * @param data the bytes, from 0 to the capacity of a direct buffer
     * @return the model
     */
    public static Model open(ByteBuffer data) {
        if (!ModelException.given(data, "the buffer").isDirect()) {
            throw new ModelException(Code.ARGUMENT, "the buffer is not direct");
        }
        Native.load();
        return opened(null, data);
    }

    private static Model opened(byte[] path, ByteBuffer data) {
        long[] model = new long[1];
        byte[] said = new byte[Native.SAID];
        int status = Native.open(path, data, model, said);
        if (status != 0) {
            throw Native.fault(status, Native.upToZero(said));
        }
        return new Model(model[0], data);
    }

    private static List<TensorInfo> describe(long model, int kind) {
        List<TensorInfo> all = new ArrayList<>();
        for (int i = 0; i < Native.count(model, kind); i++) {
            all.add(new TensorInfo(Native.text(Native.name(model, kind, i)), Native.shape(model, kind, i)));
        }
        return Collections.unmodifiableList(all);
    }

    /** @return the inputs, at the shapes that the model was built with */
    public List<TensorInfo> inputs() {
        return inputs;
    }

    /** @return the outputs, at the shapes that the model was built with */
    public List<TensorInfo> outputs() {
        return outputs;
    }

    /**
     * The label of a class.
     *
     * @param classIndex which class
     * @return its label, or null where there is none
     */
    public String label(int classIndex) {
        long model = handle.use();
        try {
            return Native.text(Native.label(model, classIndex));
        } finally {
            handle.drop();
        }
    }

    /**
     * A text that the model carries.
     *
     * @param key "name", "producer", ...
     * @return the text, or null
     */
    public String meta(String key) {
        long model = handle.use();
        try {
            return Native.text(Native.meta(model, Native.withZero(ModelException.given(key, "the key"))));
        } finally {
            handle.drop();
        }
    }

    /** @return a session of your own, which runs on the thread that calls it */
    public Session newSession() {
        return newSession(1, 0);
    }

    /**
     * Makes a session of your own.
     *
     * @param threads how many a run may use
     * @param isa an instruction set as the C header numbers them, to compare; 0 for the best that this machine has
     * @return the session
     */
    public Session newSession(int threads, int isa) {
        return new Session(handle, threads, isa, inputs.size(), outputs.size());
    }

    /**
     * Runs the network at the shapes that it was built with.
     *
     * @param values a value for each input, by its name
     * @return every output of floats, by its name
     */
    public Map<String, float[]> run(Map<String, float[]> values) {
        for (String name : ModelException.given(values, "the map of values").keySet()) {
            known(name);
        }
        Session s = session();
        try {
            for (int i = 0; i < inputs.size(); i++) {
                float[] given = values.get(inputs.get(i).name());
                if (given == null) {
                    throw new ModelException(Code.ARGUMENT, "input '" + inputs.get(i).name() + "' is missing");
                }
                s.write(i, given);
            }
            s.run();
            Map<String, float[]> results = new LinkedHashMap<>();
            for (int i = 0; i < outputs.size(); i++) {
                if (outputs.get(i).type() == TensorInfo.FLOAT32) {
                    results.put(outputs.get(i).name(), s.read(i));
                }
            }
            return results;
        } finally {
            handle.put(s);
        }
    }

    /**
     * The best classes of a picture of any size.
     *
     * @param pixels rows of 1 (gray), 3 (RGB) or 4 (RGBA) bytes for each pixel
     * @param width in pixels
     * @param height in pixels
     * @param k how many classes
     * @return them, best first
     */
    public List<Prediction> classify(byte[] pixels, int width, int height, int k) {
        Session s = session();
        try {
            return s.classify(pixels, width, height, k);
        } finally {
            handle.put(s);
        }
    }

    private Session session() {
        if (handle.isClosed()) {
            throw new ModelException(Code.ARGUMENT, "the model is closed");
        }
        Session s = handle.take();
        return s != null ? s : newSession();
    }

    private void known(String name) {
        for (TensorInfo input : inputs) {
            if (input.name().equals(name)) {
                return;
            }
        }
        throw new ModelException(Code.ARGUMENT, "there is no input '" + name + "'; there are " + inputs);
    }

    /** Frees the model; the runs under way and your own sessions end it when they are done. Closing twice is fine. */
    @Override
    public void close() {
        handle.close();
    }
}
