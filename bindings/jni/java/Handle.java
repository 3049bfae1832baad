package amalgamated;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;

/** The native model, apart from the object that users hold, so that it can outlive that until its sessions are done. */
final class Handle {
    @SuppressWarnings("unused")
    private final ByteBuffer keep; // memory that the model reads

    private final ArrayDeque<Session> idle = new ArrayDeque<>();
    private final int most = Runtime.getRuntime().availableProcessors();
    private long model;
    private int users = 1; // the model itself and its sessions
    private boolean closed;

    Handle(long model, ByteBuffer keep) {
        this.model = model;
        this.keep = keep;
    }

    /** Counts a new user and gives the native model. */
    synchronized long use() {
        if (closed) {
            throw new ModelException(Code.ARGUMENT, "the model is closed");
        }
        users++;
        return model;
    }

    /** The native model, for a session, which keeps it open. */
    synchronized long model() {
        return model;
    }

    synchronized void drop() {
        if (--users == 0) {
            Native.close(model);
            model = 0;
        }
    }

    /** No new users from now on; idle sessions end. */
    void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        for (Session s = take(); s != null; s = take()) {
            s.close();
        }
        drop();
    }

    synchronized Session take() {
        return idle.pollLast();
    }

    /** Keeps a session for the next run, unless there are enough. */
    void put(Session s) {
        synchronized (this) {
            if (!closed && idle.size() < most) {
                idle.addLast(s);
                return;
            }
        }
        s.close();
    }

    synchronized boolean isClosed() {
        return closed;
    }
}
