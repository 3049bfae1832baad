import com.example.digits.Code;
import com.example.digits.Model;
import com.example.digits.ModelException;
import com.example.digits.Session;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.util.function.Supplier;

/**
 * Memory that runs out at any allocation of opening, of a session of two threads, and of another shape: ShortageTest GOLDEN
 * MODEL.amg, with a pair that allocates by tests/c/faults.h.
 */
public final class ShortageTest {
    private static final int CALL = 0; // that fails, and all after it; 0: none
    private static final int BLOCKS = 8; // not yet freed

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static void golden(Session s, float[] x, float[] wanted) {
        s.write(0, x);
        s.run();
        float[] got = s.read(0);
        check(got.length == wanted.length, got.length + " scores");
        for (int i = 0; i < got.length; i++) {
            check(Math.abs(got[i] - wanted[i]) <= 1e-5f, "score " + i + " is " + got[i] + ", not " + wanted[i]);
        }
    }

    /** Returns how many allocations there are. */
    private static int starve(ByteBuffer numbers, Supplier<Model> opening, float[] x, float[] wanted) {
        for (int call = 1;; call++) {
            Model m = null;
            Session s = null;
            boolean failed = false;
            numbers.putLong(CALL, call);
            try {
                m = opening.get();
                s = m.newSession(2, 0);
                s.setShape(0, 2, 1, 8, 8);
            } catch (ModelException e) {
                check(e.code() == Code.MEMORY, "allocation " + call + ": " + e.code() + " " + e.getMessage());
                failed = true;
            }
            numbers.putLong(CALL, 0);
            m = m == null ? opening.get() : m;
            s = s == null ? m.newSession() : s;
            if (!failed) {
                s.setShape(0, 1, 1, 8, 8);
            }
            golden(s, x, wanted);
            s.close();
            m.close();
            check(numbers.getLong(BLOCKS) == 0, numbers.getLong(BLOCKS) + " blocks are lost when allocation " + call + " fails");
            if (!failed) {
                return call - 1;
            }
        }
    }

    public static void main(String[] args) throws Exception {
        Path file = Paths.get(System.getenv("FAULTS"));
        String[] words = Files.readAllLines(Paths.get(args[0])).get(0).split(" ");
        float[] x = new float[64];
        float[] wanted = new float[10];
        for (int i = 0; i < words.length; i++) {
            if (i < x.length) {
                x[i] = Integer.parseInt(words[i]) / 255f;
            } else if (i > x.length) {
                wanted[i - x.length - 1] = Float.parseFloat(words[i]);
            }
        }
        byte[] bytes = Files.readAllBytes(Paths.get(args[1]));
        ByteBuffer room = ByteBuffer.allocateDirect(bytes.length + 8).order(ByteOrder.nativeOrder());
        room.position(8); // not aligned as the weights would have to lie: they are copied
        ByteBuffer data = room.slice();
        data.put(bytes).flip();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer numbers = channel.map(FileChannel.MapMode.READ_WRITE, 0, 16).order(ByteOrder.nativeOrder());
            int least = starve(numbers, Model::open, x, wanted);
            least = Math.min(least, starve(numbers, () -> Model.open(args[1]), x, wanted));
            int copied = starve(numbers, () -> Model.open(data), x, wanted);
            check(least >= 7 && copied > least, least + " and " + copied + " allocations");
        }
        System.out.println("ok");
    }
}
