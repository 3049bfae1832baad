import com.example.squeezenet.Model;
import com.example.squeezenet.Prediction;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** SqueezeNet on photos, and on a ramp: PhotosTest SQUEEZENET.txt FOLDER, where the head of the text says what is in both. */
public final class PhotosTest {
    private static final int CLASSES = 1000;
    private static final int BEST = 5;

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static void near(double got, String wanted, String what) {
        check(Math.abs(got - Double.parseDouble(wanted)) <= 1e-4, what + ": " + got + ", not " + wanted);
    }

    private static float[] ramp(Model m) {
        float[] x = new float[m.inputs().get(0).size()];
        for (int i = 0; i < x.length; i++) {
            x[i] = i * 7919 % 251 - 125;
        }
        String output = m.outputs().get(0).name();
        return m.run(Collections.singletonMap(m.inputs().get(0).name(), x)).get(output);
    }

    private static float[] photo(Model m, Path path) throws IOException {
        byte[] file = Files.readAllBytes(path);
        String[] head = new String(file, 0, 20, StandardCharsets.ISO_8859_1).split("\\s", 5); // P6, width, height, 255
        int width = Integer.parseInt(head[1]);
        int height = Integer.parseInt(head[2]);
        byte[] pixels = Arrays.copyOfRange(file, file.length - width * height * 3, file.length);
        float[] scores = new float[CLASSES];
        List<Prediction> best = m.classify(pixels, width, height, CLASSES);
        check(best.size() == CLASSES, best.size() + " classes");
        for (Prediction p : best) {
            scores[p.classIndex()] = p.score();
        }
        return scores;
    }

    private static int best(float[] scores) {
        int best = 0;
        for (int i = 1; i < scores.length; i++) {
            best = scores[i] > scores[best] ? i : best;
        }
        return best;
    }

    private static void compare(float[] scores, String[] words) {
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < CLASSES; i++) {
            sum += scores[i] * (double) i / 1000;
            squares += scores[i] * (double) scores[i];
        }
        near(sum, words[2 * BEST + 1], words[0]);
        near(squares, words[2 * BEST + 2], words[0]);
        for (int i = 0; i < BEST; i++) {
            int at = best(scores);
            near(at, words[2 * i + 1], words[0]);
            near(scores[at], words[2 * i + 2], words[0]);
            scores[at] = -1;
        }
    }

    public static void main(String[] args) throws Exception {
        int lines = 0;
        try (Model m = Model.open()) {
            for (String line : Files.readAllLines(Paths.get(args[0]))) {
                if (!line.startsWith("#")) {
                    String[] words = line.split(" ");
                    compare(words[0].equals("ramp") ? ramp(m) : photo(m, Paths.get(args[1], words[0] + ".ppm")), words);
                    lines++;
                }
            }
        }
        check(lines == 5, lines + " lines");
        System.out.println("ok");
    }
}
