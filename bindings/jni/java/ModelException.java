package amalgamated;

/** What went wrong, with a code of {@link Code}. */
public final class ModelException extends RuntimeException {
    private static final long serialVersionUID = 1;
    private final int code;

    ModelException(int code, String message) {
        super(message);
        this.code = code;
    }

    ModelException(int code, String message, Throwable cause) {
        super(message, cause);
        this.code = code;
    }

    /** The value, unless it is null. */
    static <T> T given(T value, String what) {
        if (value == null) {
            throw new ModelException(Code.ARGUMENT, what + " is null");
        }
        return value;
    }

    /** @return one of the constants of {@link Code} */
    public int code() {
        return code;
    }
}
