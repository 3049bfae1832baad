package amalgamated;

import java.lang.reflect.Method;

/** Runs something when an object is forgotten, by java.lang.ref.Cleaner where there is one: since Java 9 and Android 13. */
final class Cleanup {
    private static final Object CLEANER;
    private static final Method REGISTER;

    static {
        Object cleaner = null;
        Method register = null;
        try {
            Class<?> type = Class.forName("java.lang.ref.Cleaner");
            cleaner = type.getMethod("create").invoke(null);
            register = type.getMethod("register", Object.class, Runnable.class);
        } catch (ReflectiveOperationException e) {
            register = null; // then what is not closed is kept
        }
        CLEANER = cleaner;
        REGISTER = register;
    }

    private Cleanup() {}

    /** Runs `action`, which must not refer to `object`, when that is no longer reachable. */
    static void register(Object object, Runnable action) {
        if (REGISTER != null) {
            try {
                REGISTER.invoke(CLEANER, object, action);
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
