package amalgamated;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** The memory of one run at a time: write the inputs, run, read the outputs. */
public final class Session implements AutoCloseable {
    private final State state;
    private final TensorInfo[] inputs;
    private final TensorInfo[] outputs;

    /** What is freed, apart from the object that users hold. */
    private static final class State implements Runnable {
        final Handle handle;
        final ByteBuffer stop = ByteBuffer.allocateDirect(Integer.BYTES); // what the native session looks at while it runs
        long session;

        State(Handle handle) {
            this.handle = handle;
        }

        @Override
        public synchronized void run() {
            if (session != 0) {
                Native.sessionFree(session);
                session = 0;
                handle.drop();
            }
        }
    }

    Session(Handle handle, int threads, int isa, int inputCount, int outputCount) {
        state = new State(handle);
        long[] made = new long[1];
        int status = Native.sessionNew(handle.use(), threads, isa, state.stop, made);
        if (status != 0) {
            handle.drop();
            throw Native.fault(status, null);
        }
        state.session = made[0];
        inputs = new TensorInfo[inputCount];
        outputs = new TensorInfo[outputCount];
        Cleanup.register(this, state);
    }

    /**
     * Changes the shape of an input, and with it all others; what the inputs held is lost.
     *
     * @param input which one
     * @param shape its new axes
     */
    public void setShape(int input, long... shape) {
        synchronized (state) {
            check(Native.setShape(open(), input, ModelException.given(shape, "the shape")));
            java.util.Arrays.fill(inputs, null);
            java.util.Arrays.fill(outputs, null);
        }
    }

    /**
     * Describes an input at the shapes of this session.
     *
     * @param i which one
     * @return what it is
     */
    public TensorInfo input(int i) {
        return info(inputs, Native.INPUT, i);
    }

    /**
     * Describes an output at the shapes of this session.
     *
     * @param i which one
     * @return what it is
     */
    public TensorInfo output(int i) {
        return info(outputs, Native.OUTPUT, i);
    }

    /**
     * Fills an input of floats.
     *
     * @param input which one
     * @param values all its elements
     */
    public void write(int input, float[] values) {
        synchronized (state) {
            fits(input(input), ModelException.given(values, "the array").length, TensorInfo.FLOAT32);
            check(Native.floats(open(), Native.INPUT, input, values));
        }
    }

    /**
     * Fills an input of longs.
     *
     * @param input which one
     * @param values all its elements
     */
    public void write(int input, long[] values) {
        synchronized (state) {
            fits(input(input), ModelException.given(values, "the array").length, TensorInfo.INT64);
            check(Native.longs(open(), Native.INPUT, input, values));
        }
    }

    /**
     * Fills an input from a direct buffer, from its position to its limit, in native byte order.
     *
     * @param input which one
     * @param values all its elements; the position does not change
     */
    public void write(int input, ByteBuffer values) {
        synchronized (state) {
            direct(input(input), values);
            check(Native.buffer(open(), Native.INPUT, input, values, values.position(), values.remaining()));
        }
    }

    /** Runs the network on what the inputs hold. */
    public void run() {
        synchronized (state) {
            state.stop.putInt(0, 0);
            check(Native.run(open()));
        }
    }

    /**
     * Ends the run that is under way in another thread, if there is one, before its next layer: it throws an exception with
     * {@link Code#CANCELLED}. The session may run again when its inputs are written anew.
     */
    public void cancel() {
        state.stop.putInt(0, 1);
    }

    /**
     * Copies an output of floats.
     *
     * @param output which one
     * @return all its elements
     */
    public float[] read(int output) {
        synchronized (state) {
            float[] values = new float[output(output).size()];
            read(output, values);
            return values;
        }
    }

    /**
     * Copies an output of floats.
     *
     * @param output which one
     * @param values has room for its elements
     */
    public void read(int output, float[] values) {
        synchronized (state) {
            fits(output(output), ModelException.given(values, "the array").length, TensorInfo.FLOAT32);
            check(Native.floats(open(), Native.OUTPUT, output, values));
        }
    }

    /**
     * Copies an output of longs.
     *
     * @param output which one
     * @param values has room for its elements
     */
    public void read(int output, long[] values) {
        synchronized (state) {
            fits(output(output), ModelException.given(values, "the array").length, TensorInfo.INT64);
            check(Native.longs(open(), Native.OUTPUT, output, values));
        }
    }

    /**
     * Copies an output into a direct buffer, from its position to its limit, in native byte order.
     *
     * @param output which one
     * @param values has room for its elements; the position does not change
     */
    public void read(int output, ByteBuffer values) {
        synchronized (state) {
            direct(output(output), values);
            if (values.isReadOnly()) {
                throw new ModelException(Code.ARGUMENT, "the buffer is read-only");
            }
            check(Native.buffer(open(), Native.OUTPUT, output, values, values.position(), values.remaining()));
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
        int bytes = ModelException.given(pixels, "the array of pixels").length;
        return classify(pixels, null, 0, bytes, width, height, k);
    }

    /**
     * The best classes of a picture of any size.
     *
     * @param pixels a direct buffer that holds, from its position to its limit, 1, 3 or 4 bytes for each pixel
     * @param width in pixels
     * @param height in pixels
     * @param k how many classes
     * @return them, best first
     */
    public List<Prediction> classify(ByteBuffer pixels, int width, int height, int k) {
        if (!ModelException.given(pixels, "the buffer").isDirect()) {
            throw new ModelException(Code.ARGUMENT, "the buffer is not direct");
        }
        return classify(null, pixels, pixels.position(), pixels.remaining(), width, height, k);
    }

    /** The pixels lie in an array, or in a direct buffer from `at` on. */
    private List<Prediction> classify(byte[] array, ByteBuffer buffer, int at, int bytes, int width, int height, int k) {
        synchronized (state) {
            int channels = channels(bytes, width, height);
            int stride = width * channels;
            check(Native.setImage(open(), 0, array, buffer, at, width, height, stride, format(channels)));
            run();
            return top(0, k);
        }
    }

    /**
     * The largest values of an output of the last run.
     *
     * @param output which one
     * @param k how many
     * @return them, best first
     */
    public List<Prediction> top(int output, int k) {
        synchronized (state) {
            if (k < 0) {
                throw new ModelException(Code.ARGUMENT, "k is negative");
            }
            int most = Math.min(k, output(output).size());
            int[] classes = new int[most];
            float[] scores = new float[most];
            int found = check(Native.topk(open(), output, classes, scores));
            List<Prediction> best = new ArrayList<>(found);
            long model = state.handle.model();
            for (int i = 0; i < found; i++) {
                String label = Native.text(Native.label(model, classes[i]));
                best.add(new Prediction(label != null ? label : String.valueOf(classes[i]), scores[i], classes[i]));
            }
            return best;
        }
    }

    /** Frees the session. Closing twice is fine. */
    @Override
    public void close() {
        state.run();
    }

    private long open() {
        if (state.session == 0) {
            throw new ModelException(Code.ARGUMENT, "the session is closed");
        }
        return state.session;
    }

    private int check(int status) {
        if (status < 0) {
            throw Native.fault(status, Native.text(Native.message(open())));
        }
        return status;
    }

    private TensorInfo info(TensorInfo[] known, int kind, int i) {
        synchronized (state) {
            long session = open();
            if (i < 0 || i >= known.length) {
                throw new ModelException(Code.ARGUMENT, "there is no tensor " + i + ": there are " + known.length);
            }
            if (known[i] == null) {
                String name = Native.text(Native.name(state.handle.model(), kind, i));
                known[i] = new TensorInfo(name, Native.sessionShape(session, kind, i));
            }
            return known[i];
        }
    }

    private static void fits(TensorInfo info, int size, int type) {
        if (info.type() != type) {
            throw new ModelException(Code.ARGUMENT, info + " holds another type");
        }
        if (info.size() != size) {
            throw new ModelException(Code.SHAPE, info + " has " + info.size() + " elements, not " + size);
        }
    }

    private static void direct(TensorInfo info, ByteBuffer buffer) {
        if (!ModelException.given(buffer, "the buffer").isDirect()) {
            throw new ModelException(Code.ARGUMENT, "the buffer is not direct");
        }
        if (buffer.remaining() != info.bytes()) {
            throw new ModelException(Code.SHAPE, info + " has " + info.bytes() + " bytes, not " + buffer.remaining());
        }
    }

    private static int channels(int bytes, int width, int height) {
        for (int channels = 1; channels <= 4; channels++) {
            if (channels != 2 && width > 0 && height > 0 && (long) width * height * channels == bytes) {
                return channels;
            }
        }
        String size = width + " x " + height;
        throw new ModelException(Code.SHAPE, bytes + " bytes are not 1, 3 or 4 for each pixel of " + size);
    }

    private static int format(int channels) {
        return channels == 1 ? Code.GRAY8 : channels == 3 ? Code.RGB8 : Code.RGBA8;
    }
}
