package amalgamated;

import java.util.Arrays;

/** What an input or output is. */
public final class TensorInfo {
    /** Elements are floats. */
    public static final int FLOAT32 = 1;
    /** Elements are longs. */
    public static final int INT64 = 2;

    private final String name;
    private final int type;
    private final long[] shape;

    /** Takes a shape as the runtime gives it: the type, then the axes. */
    TensorInfo(String name, long[] raw) {
        this.name = name;
        this.type = (int) raw[0];
        this.shape = Arrays.copyOfRange(raw, 1, raw.length);
    }

    /** @return what the model calls it */
    public String name() {
        return name;
    }

    /** @return {@link #FLOAT32} or {@link #INT64} */
    public int type() {
        return type;
    }

    /** @return its axes */
    public long[] shape() {
        return shape.clone();
    }

    /** @return how many elements it has */
    public int size() {
        long total = 1;
        for (long d : shape) {
            total *= d;
        }
        return Math.toIntExact(total);
    }

    /** @return how many bytes they take */
    public int bytes() {
        return Math.multiplyExact(size(), type == INT64 ? 8 : 4);
    }

    @Override
    public String toString() {
        return name + ": " + (type == INT64 ? "int64" : "float32") + Arrays.toString(shape);
    }
}
