package amalgamated;

/** A class, its score, and which class it is. */
public final class Prediction {
    private final String label;
    private final float score;
    private final int classIndex;

    Prediction(String label, float score, int classIndex) {
        this.label = label;
        this.score = score;
        this.classIndex = classIndex;
    }

    /** @return the label, or the number of the class where the model has none */
    public String label() {
        return label;
    }

    /** @return the score, a probability where the network ends in a softmax */
    public float score() {
        return score;
    }

    /** @return the number of the class */
    public int classIndex() {
        return classIndex;
    }

    @Override
    public String toString() {
        return label + " " + score;
    }
}
