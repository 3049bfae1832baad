namespace Amalgamated
{
    /// <summary>A class, its score, and which class it is.</summary>
    public readonly struct Prediction
    {
        internal Prediction(string label, float score, int classIndex)
        {
            Label = label;
            Score = score;
            ClassIndex = classIndex;
        }

        /// <summary>The label, or the number of the class where the model has none.</summary>
        public string Label { get; }

        /// <summary>The score, a probability where the network ends in a softmax.</summary>
        public float Score { get; }

        /// <summary>The number of the class.</summary>
        public int ClassIndex { get; }

        /// <inheritdoc/>
        public override string ToString() => Label + " " + Score;
    }
}
