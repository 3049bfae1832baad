/// A class, its score, and which class it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The label, or the number of the class where the model has none.
    pub label: String,
    /// The score, a probability where the network ends in a softmax.
    pub score: f32,
    /// The number of the class.
    pub class: usize,
}
