import digits.Model;
import digits.Session;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.Map;
import java.util.function.Supplier;

/** Nanoseconds of a call from Java, the best of batches over SECONDS: Call SECONDS THREADS. */
public final class Call {
    private static final int BATCH = 1000;

    /** Prints the best time of a call, and the calls per second of all threads together. */
    private static void measure(String name, double seconds, int threads, Supplier<Runnable> prepare) throws Exception {
        double[] best = new double[threads];
        double[] rate = new double[threads];
        Thread[] all = new Thread[threads];
        for (int t = 0; t < threads; t++) {
            int at = t;
            all[t] = new Thread(() -> {
                Runnable call = prepare.get();
                long start = System.nanoTime();
                long calls = 0;
                while (System.nanoTime() - start < seconds * 1e9) {
                    long before = System.nanoTime();
                    for (int i = 0; i < BATCH; i++) {
                        call.run();
                    }
                    double took = System.nanoTime() - before;
                    best[at] = calls == 0 ? took : Math.min(took, best[at]);
                    calls += BATCH;
                }
                rate[at] = calls / ((System.nanoTime() - start) * 1e-9);
            });
            all[t].start();
        }
        double total = 0;
        for (int t = 0; t < threads; t++) {
            all[t].join();
            total += rate[t];
        }
        System.out.printf(java.util.Locale.ROOT, "%s %.1f %.0f%n", name, best[0] / BATCH, total);
    }

    public static void main(String[] args) throws Exception {
        double seconds = Double.parseDouble(args[0]);
        int threads = Integer.parseInt(args[1]);
        try (Model m = Model.open()) {
            measure("Java-direct", seconds, threads, () -> {
                Session s = m.newSession();
                ByteBuffer x = ByteBuffer.allocateDirect(256).order(ByteOrder.nativeOrder());
                ByteBuffer y = ByteBuffer.allocateDirect(40).order(ByteOrder.nativeOrder());
                return () -> {
                    s.write(0, x);
                    s.run();
                    s.read(0, y);
                };
            });
            measure("Java-float[]", seconds, threads, () -> {
                Session s = m.newSession();
                float[] x = new float[64];
                float[] y = new float[10];
                return () -> {
                    s.write(0, x);
                    s.run();
                    s.read(0, y);
                };
            });
            measure("Java-Model.run", seconds, threads, () -> {
                Map<String, float[]> x = Collections.singletonMap("image", new float[64]);
                return () -> m.run(x);
            });
        }
    }
}
