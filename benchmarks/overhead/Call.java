import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.Map;
import java.util.function.Supplier;
import model.Model;
import model.Session;

/** Nanoseconds of a call from Java, the best of batches of BATCH calls over SECONDS: Call SECONDS THREADS BATCH. */
public final class Call {
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    /** Prints the best time of a call, the calls per second of all threads, and the processor time of a call. */
    private static void measure(String name, String[] args, Supplier<Runnable> prepare) throws Exception {
        double seconds = Double.parseDouble(args[0]);
        int threads = Integer.parseInt(args[1]);
        int batch = Integer.parseInt(args[2]);
        double[] best = new double[threads];
        double[] took = new double[threads];
        long[] done = new long[threads];
        Thread[] all = new Thread[threads];
        long began = SYSTEM.getProcessCpuTime();
        for (int t = 0; t < threads; t++) {
            int at = t;
            all[t] = new Thread(() -> {
                Runnable call = prepare.get();
                long start = System.nanoTime();
                long calls = 0;
                while (System.nanoTime() - start < seconds * 1e9) {
                    long before = System.nanoTime();
                    for (int i = 0; i < batch; i++) {
                        call.run();
                    }
                    double ns = System.nanoTime() - before;
                    best[at] = calls == 0 ? ns : Math.min(ns, best[at]);
                    calls += batch;
                }
                done[at] = calls;
                took[at] = (System.nanoTime() - start) * 1e-9;
            });
            all[t].start();
        }
        double longest = 0;
        double calls = 0;
        for (int t = 0; t < threads; t++) {
            all[t].join();
            longest = Math.max(longest, took[t]);
            calls += done[t];
        }
        double cpu = (SYSTEM.getProcessCpuTime() - began) / calls;
        System.out.printf(java.util.Locale.ROOT, "%s %.1f %.2f %.1f%n", name, best[0] / batch, calls / longest, cpu);
    }

    public static void main(String[] args) throws Exception {
        try (Model m = Model.open()) {
            measure("Java-direct", args, () -> {
                Session s = m.newSession();
                ByteBuffer x = ByteBuffer.allocateDirect(s.input(0).bytes()).order(ByteOrder.nativeOrder());
                ByteBuffer y = ByteBuffer.allocateDirect(s.output(0).bytes()).order(ByteOrder.nativeOrder());
                return () -> {
                    s.write(0, x);
                    s.run();
                    s.read(0, y);
                };
            });
            measure("Java-float[]", args, () -> {
                Session s = m.newSession();
                float[] x = new float[s.input(0).size()];
                float[] y = new float[s.output(0).size()];
                return () -> {
                    s.write(0, x);
                    s.run();
                    s.read(0, y);
                };
            });
            measure("Java-Model.run", args, () -> {
                Map<String, float[]> x =
                        Collections.singletonMap(m.inputs().get(0).name(), new float[m.inputs().get(0).size()]);
                return () -> m.run(x);
            });
        }
    }
}
