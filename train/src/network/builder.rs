//! Puts a network together, layer by layer.

use galmorph_cutout::{Morphology, Preprocessing};

use super::{Convolution, Layer, LocalResponseNorm, Network, Node, Pool, Shape, viewpoint};

/// Puts a [`Network`] together.
///
/// Each method adds a node under a unique name and returns its index, which is the input of a later
/// node. Shapes are worked out as the network grows. A description that doesn't fit together is a defect
/// of the program: the method panics.
pub struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    /// Begins with the input, `[N, 3, side, side]`.
    pub fn new(side: usize) -> (Self, usize) {
        let input = Node {
            name: "views".into(),
            layer: Layer::Input,
            inputs: Vec::new(),
            shape: Shape::square(3, side),
        };
        (Self { nodes: vec![input] }, 0)
    }

    /// Begins with the input of the paper's networks: their views are of 64 x 64 pixels.
    pub fn of_the_paper() -> (Self, usize) {
        Self::new(Preprocessing::PAPER_CROP as usize)
    }

    /// Adds a convolution.
    pub fn convolution(&mut self, name: &str, input: usize, convolution: Convolution) -> usize {
        let from = self.shape(input);
        let length = |axis: usize, length: usize| {
            let (before, after) = convolution.padding[axis];
            (length + before + after - convolution.kernel[axis]) / convolution.stride + 1
        };
        let shape = Shape {
            channels: convolution.filters,
            height: length(0, from.height),
            width: length(1, from.width),
            ..from
        };
        self.push(name, Layer::Convolution(convolution), vec![input], shape)
    }

    /// Adds a batch normalisation and a ReLU, as `<name>/bn` and `<name>/relu`.
    pub fn batch_norm_relu(&mut self, name: &str, input: usize) -> usize {
        let norm = self.batch_norm(&format!("{name}/bn"), input);
        self.relu(&format!("{name}/relu"), norm)
    }

    /// Adds a batch normalisation.
    pub fn batch_norm(&mut self, name: &str, input: usize) -> usize {
        let shape = self.shape(input);
        self.push(name, Layer::BatchNorm, vec![input], shape)
    }

    /// Adds a convolution and a ReLU, as `<name>` and `<name>/relu`.
    pub fn convolution_relu(
        &mut self,
        name: &str,
        input: usize,
        convolution: Convolution,
    ) -> usize {
        let x = self.convolution(name, input, convolution);
        self.relu(&format!("{name}/relu"), x)
    }

    /// Adds a ReLU.
    pub fn relu(&mut self, name: &str, input: usize) -> usize {
        let shape = self.shape(input);
        self.push(name, Layer::Relu, vec![input], shape)
    }

    /// Adds a maximum pooling.
    pub fn max_pool(&mut self, name: &str, input: usize, pool: Pool) -> usize {
        let shape = self.pooled(input, pool);
        self.push(name, Layer::MaxPool(pool), vec![input], shape)
    }

    /// Adds an average pooling.
    pub fn average_pool(&mut self, name: &str, input: usize, pool: Pool) -> usize {
        let shape = self.pooled(input, pool);
        self.push(name, Layer::AveragePool(pool), vec![input], shape)
    }

    /// Adds a global average pooling: the mean of each channel.
    pub fn global_average_pool(&mut self, name: &str, input: usize) -> usize {
        let shape = Shape {
            height: 1,
            width: 1,
            ..self.shape(input)
        };
        self.push(name, Layer::GlobalAveragePool, vec![input], shape)
    }

    /// Adds a local response normalisation.
    ///
    /// # Panics
    /// If its size is even.
    pub fn local_response_norm(
        &mut self,
        name: &str,
        input: usize,
        norm: LocalResponseNorm,
    ) -> usize {
        assert_eq!(norm.size % 2, 1, "{name} has no channel in the middle");
        let shape = self.shape(input);
        self.push(name, Layer::LocalResponseNorm(norm), vec![input], shape)
    }

    /// Adds a sum of two nodes.
    ///
    /// # Panics
    /// If their shapes differ.
    pub fn add(&mut self, name: &str, a: usize, b: usize) -> usize {
        let shape = self.shape(a);
        assert_eq!(shape, self.shape(b), "{name} adds unequal shapes");
        self.push(name, Layer::Add, vec![a, b], shape)
    }

    /// Adds a concatenation of channels.
    ///
    /// # Panics
    /// If the images' sizes differ.
    pub fn concatenate(&mut self, name: &str, inputs: &[usize]) -> usize {
        let shapes = inputs.iter().map(|input| self.shape(*input));
        let channels = shapes.clone().map(|shape| shape.channels).sum();
        let joined = shapes.map(|shape| Shape { channels, ..shape });
        let shape = agreed(name, joined);
        self.push(name, Layer::Concatenate, inputs.to_vec(), shape)
    }

    /// Adds a dropout; nothing if the probability is 0.
    pub fn dropout(&mut self, name: &str, input: usize, drop_probability: f64) -> usize {
        if drop_probability == 0.0 {
            return input;
        }
        let shape = self.shape(input);
        let layer = Layer::Dropout { drop_probability };
        self.push(name, layer, vec![input], shape)
    }

    /// Adds a fully connected layer.
    pub fn linear(&mut self, name: &str, input: usize, outputs: usize) -> usize {
        let shape = self.features(input, outputs);
        self.push(name, Layer::Linear { outputs }, vec![input], shape)
    }

    /// Adds what AlexNet and its successors end in: hidden fully connected layers of these names, and
    /// one of an output for each class. After each hidden layer come a ReLU and a dropout, `<name>/relu`
    /// and `<name>/dropout`.
    pub(super) fn fully_connected_head(
        &mut self,
        input: usize,
        hidden: [&str; 2],
        units: usize,
        drop_probability: f64,
    ) -> usize {
        let x = hidden.into_iter().fold(input, |x, name| {
            let x = self.linear(name, x, units);
            let x = self.relu(&format!("{name}/relu"), x);
            self.dropout(&format!("{name}/dropout"), x, drop_probability)
        });
        self.linear("classes", x, Morphology::COUNT)
    }

    /// Adds a maximum over pieces of the features.
    ///
    /// # Panics
    /// If the pieces aren't of equal length.
    pub fn maxout(&mut self, name: &str, input: usize, pieces: usize) -> usize {
        let features = self.shape(input).size();
        assert_eq!(features % pieces, 0, "{name} has pieces of unequal length");
        let shape = self.features(input, features / pieces);
        self.push(name, Layer::Maxout { pieces }, vec![input], shape)
    }

    /// Adds a rotation of a square image.
    ///
    /// # Panics
    /// If it isn't square.
    pub fn rotate(&mut self, name: &str, input: usize, degrees: f64) -> usize {
        let shape = self.shape(input);
        assert_eq!(shape.height, shape.width, "{name} turns what isn't square");
        self.push(name, Layer::Rotate { degrees }, vec![input], shape)
    }

    /// Adds the extraction of viewpoints, eight of each input.
    ///
    /// # Panics
    /// If the inputs' shapes differ, or aren't square.
    pub fn viewpoints(&mut self, name: &str, inputs: &[usize], crop: usize) -> usize {
        let shape = agreed(name, inputs.iter().map(|input| self.shape(*input)));
        assert_eq!(shape.height, shape.width, "{name} cuts what isn't square");
        let shape = Shape {
            height: crop,
            width: crop,
            viewpoints: shape.viewpoints * viewpoint::CORNERS * inputs.len(),
            ..shape
        };
        self.push(name, Layer::Viewpoints { crop }, inputs.to_vec(), shape)
    }

    /// Adds the concatenation of all viewpoints' values.
    pub fn join_viewpoints(&mut self, name: &str, input: usize) -> usize {
        let from = self.shape(input);
        let shape = Shape::square(from.viewpoints * from.size(), 1);
        self.push(name, Layer::JoinViewpoints, vec![input], shape)
    }

    /// The shape of a node's output.
    pub fn shape(&self, node: usize) -> Shape {
        self.nodes[node].shape
    }

    /// Ends the description. The node added last gives the logits.
    pub fn finish(self) -> Network {
        Network { nodes: self.nodes }
    }

    fn pooled(&self, input: usize, pool: Pool) -> Shape {
        let length = |length: usize| (length + 2 * pool.padding - pool.size) / pool.stride + 1;
        let from = self.shape(input);
        Shape {
            height: length(from.height),
            width: length(from.width),
            ..from
        }
    }

    fn features(&self, input: usize, features: usize) -> Shape {
        Shape {
            viewpoints: self.shape(input).viewpoints,
            ..Shape::square(features, 1)
        }
    }

    fn push(&mut self, name: &str, layer: Layer, inputs: Vec<usize>, shape: Shape) -> usize {
        assert!(
            self.nodes.iter().all(|node| node.name != name),
            "two nodes are called {name}"
        );
        self.nodes.push(Node {
            name: name.to_owned(),
            layer,
            inputs,
            shape,
        });
        self.nodes.len() - 1
    }
}

/// The shape that all inputs have.
#[allow(clippy::expect_used, reason = "a defect of the description")]
fn agreed(name: &str, mut shapes: impl Iterator<Item = Shape>) -> Shape {
    let first = shapes.next().expect("at least one input");
    assert!(
        shapes.all(|shape| shape == first),
        "{name} joins unequal shapes"
    );
    first
}
