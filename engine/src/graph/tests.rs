//! What is fused, and what is not.

use super::*;
use crate::convolution::ConvSpec;
use crate::convolution::layout::Border;
use crate::microkernel::epilogue::Activation;
use crate::program::pool::{Pooling, Window};

const DIMS: Dims = Dims {
    batch: 1,
    height: 2,
    width: 2,
    channels: 1,
};

fn convolution(input: NodeId) -> Op {
    let term = Term {
        input,
        spec: ConvSpec {
            window: [1, 1],
            strides: [1, 1],
            padding: Border::default(),
            channels: 1,
            pooling: [1, 1],
        },
        weights: WeightId(0),
        scale: vec![1.0],
        steps: None,
    };
    Op::Convolution(Box::new(FusedConvolution {
        terms: vec![term],
        bias: vec![1.0],
        rounding: None,
        residual: None,
        relu: false,
        function: None,
    }))
}

fn activate(input: NodeId, scale: f32, shift: f32, relu: bool) -> Op {
    Op::Activate {
        input,
        activation: Activation {
            scale: vec![scale],
            shift: vec![shift],
            relu,
        },
    }
}

fn convolution_at(graph: &Graph, id: NodeId) -> &FusedConvolution {
    match &graph.nodes[id].op {
        Op::Convolution(convolved) => convolved,
        other => panic!("{other:?}"),
    }
}

#[test]
fn scale_shift_and_relu_become_part_of_the_convolution() {
    let mut graph = Graph::default();
    let x = graph.push(Op::Input(0), DIMS);
    let y = graph.push(convolution(x), DIMS);
    let y = graph.push(activate(y, 2.0, 0.0, false), DIMS);
    let y = graph.push(activate(y, 1.0, 0.5, false), DIMS);
    let y = graph.push(activate(y, 1.0, 0.0, true), DIMS);
    graph.outputs.push(y);
    graph.fuse();
    let convolved = convolution_at(&graph, y);
    assert_eq!(
        (
            convolved.terms[0].scale[0],
            convolved.bias[0],
            convolved.relu
        ),
        (2.0, 2.5, true)
    );
    assert_eq!(convolved.terms[0].input, x);
}

#[test]
fn steps_that_skip_pixels_become_strides_of_the_convolution_behind_them() {
    let image = |height, width| Dims {
        height,
        width,
        ..DIMS
    };
    let skip = |input, strides| Op::Pool {
        input,
        pooling: Pooling::Max,
        window: Window {
            size: [1, 1],
            strides,
            padding: Border::default(),
        },
    };
    let graph = || {
        let mut graph = Graph::default();
        let x = graph.push(Op::Input(0), image(6, 9));
        let rows = graph.push(skip(x, [2, 1]), image(3, 9));
        let columns = graph.push(skip(rows, [1, 3]), image(3, 3));
        let y = graph.push(convolution(columns), image(3, 3));
        graph.outputs.push(y);
        graph
    };
    let mut fused = graph();
    fused.fuse();
    let term = &convolution_at(&fused, 3).terms[0];
    assert_eq!((term.input, term.spec.strides), (0, [2, 3]));

    // What is needed elsewhere stays a step, and a window of several pixels needs those between.
    let mut fused = graph();
    fused.outputs.push(2);
    fused.fuse();
    let term = &convolution_at(&fused, 3).terms[0];
    assert_eq!((term.input, term.spec.strides), (2, [1, 1]));
    assert_eq!(fused.nodes[2].op, skip(0, [2, 3]));
    let mut fused = graph();
    if let Op::Convolution(convolution) = &mut fused.nodes[3].op {
        convolution.terms[0].spec.window = [3, 3];
    }
    fused.fuse();
    assert_eq!(convolution_at(&fused, 3).terms[0].input, 2);
}

#[test]
fn a_sum_becomes_part_of_the_later_convolution() {
    let mut graph = Graph::default();
    let x = graph.push(Op::Input(0), DIMS);
    let a = graph.push(convolution(x), DIMS);
    let b = graph.push(convolution(x), DIMS);
    let sum = graph.push(Op::Add { left: b, right: a }, DIMS);
    // Batch normalisation of the sum, which is wanted itself as well.
    let y = graph.push(activate(sum, 2.0, 0.0, true), DIMS);
    // And what is added is wanted as well.
    graph.outputs.extend([a, sum, y]);
    graph.fuse();
    assert_eq!(convolution_at(&graph, sum).residual, Some(a));
    assert_eq!(convolution_at(&graph, a).residual, None);
    assert_eq!(graph.nodes[b].op, Op::Fused);
    assert!(matches!(graph.nodes[y].op, Op::Activate { .. }));
}

#[test]
fn convolutions_that_are_only_added_up_are_one() {
    let mut graph = Graph::default();
    let (image, other) = (
        graph.push(Op::Input(0), DIMS),
        graph.push(Op::Input(1), DIMS),
    );
    let one = graph.push(convolution(image), DIMS);
    let two = graph.push(convolution(other), DIMS);
    let sum = graph.push(
        Op::Add {
            left: one,
            right: two,
        },
        DIMS,
    );
    let sum = graph.push(
        Op::Add {
            left: image,
            right: sum,
        },
        DIMS,
    );
    let output = graph.push(activate(sum, 1.0, 0.5, true), DIMS);
    graph.outputs.push(output);
    graph.fuse();
    let convolved = convolution_at(&graph, output);
    let inputs: Vec<NodeId> = convolved.terms.iter().map(|term| term.input).collect();
    assert_eq!(inputs, [other, image]);
    assert_eq!((convolved.bias[0], convolved.residual), (2.5, Some(image)));
    assert!(convolved.relu);
    // One that is rectified is not what it was added up to.
    let third = graph.push(convolution(other), DIMS);
    let last = graph.push(
        Op::Add {
            left: output,
            right: third,
        },
        DIMS,
    );
    graph.outputs = vec![last];
    graph.fuse();
    let convolved = convolution_at(&graph, last);
    assert_eq!(
        (convolved.terms.len(), convolved.residual),
        (1, Some(output))
    );
}

fn pool(input: NodeId, size: [usize; 2], strides: [usize; 2], padding: Border) -> Op {
    let window = Window {
        size,
        strides,
        padding,
    };
    Op::Pool {
        input,
        pooling: Pooling::Max,
        window,
    }
}

#[test]
fn a_pooling_with_windows_side_by_side_becomes_part_of_the_convolution() {
    let mut graph = Graph::default();
    let x = graph.push(Op::Input(0), DIMS);
    let y = graph.push(convolution(x), DIMS);
    let y = graph.push(activate(y, -2.0, 0.0, true), DIMS);
    let y = graph.push(pool(y, [2, 1], [2, 1], Border::default()), DIMS);
    graph.outputs.push(y);
    graph.fuse();
    let convolved = convolution_at(&graph, y);
    assert_eq!(convolved.terms[0].spec.pooling, [2, 1]);
    assert_eq!((convolved.terms[0].scale[0], convolved.relu), (-2.0, true));
    // A second one would need values that are no longer there.
    let z = graph.push(pool(y, [2, 2], [2, 2], Border::default()), DIMS);
    graph.outputs = vec![z];
    graph.fuse();
    assert!(matches!(graph.nodes[z].op, Op::Pool { .. }));
}

#[test]
fn other_poolings_stay() {
    let padded = Border {
        bottom: 1,
        ..Border::default()
    };
    let others = [
        pool(1, [3, 3], [2, 2], Border::default()),
        pool(1, [2, 2], [2, 2], padded),
        // No block of pixels is of whole windows.
        pool(1, [3, 3], [3, 3], Border::default()),
        Op::Pool {
            input: 1,
            pooling: Pooling::Mean {
                counts_padding: false,
            },
            window: Window {
                size: [2, 2],
                strides: [2, 2],
                padding: Border::default(),
            },
        },
    ];
    for other in others {
        let mut graph = Graph::default();
        let x = graph.push(Op::Input(0), DIMS);
        graph.push(convolution(x), DIMS);
        let y = graph.push(other, DIMS);
        graph.outputs.push(y);
        let before = graph.clone();
        graph.fuse();
        assert_eq!(graph, before);
    }
}

#[test]
fn a_convolution_that_pools_takes_what_keeps_the_order() {
    for (scale, is_part) in [(2.0, true), (-2.0, false)] {
        let mut graph = Graph::default();
        let x = graph.push(Op::Input(0), DIMS);
        let other = graph.push(convolution(x), DIMS);
        let y = graph.push(convolution(x), DIMS);
        let y = graph.push(pool(y, [2, 2], [2, 2], Border::default()), DIMS);
        let y = graph.push(activate(y, scale, 0.0, false), DIMS);
        let sum = graph.push(
            Op::Add {
                left: other,
                right: y,
            },
            DIMS,
        );
        graph.outputs.extend([other, sum]);
        graph.fuse();
        assert_eq!(graph.nodes[y].op == Op::Fused, is_part);
        let pooling = convolution_at(&graph, if is_part { sum } else { y - 1 });
        assert_eq!(pooling.terms[0].spec.pooling, [2, 2]);
        assert_eq!(pooling.residual, is_part.then_some(other));
    }
}

#[test]
fn what_is_wanted_as_it_is_stays() {
    let mut graph = Graph::default();
    let x = graph.push(Op::Input(0), DIMS);
    let y = graph.push(convolution(x), DIMS);
    let z = graph.push(activate(y, 2.0, 0.0, true), DIMS);
    let pooled = graph.push(pool(y, [2, 2], [2, 2], Border::default()), DIMS);
    graph.outputs.extend([y, z, pooled]);
    let before = graph.clone();
    graph.fuse();
    assert_eq!(graph, before);
    let twice = graph.push(Op::Add { left: y, right: y }, DIMS);
    graph.outputs = vec![twice];
    graph.fuse();
    assert!(matches!(graph.nodes[twice].op, Op::Add { .. }));
}

/// No weights at all.
struct NoWeights;

impl WeightSource for NoWeights {
    type Error = std::convert::Infallible;

    fn read(&self, _: WeightId, pack: &mut dyn FnMut(&[f32])) -> Result<(), Self::Error> {
        pack(&[1.0]);
        Ok(())
    }
}

#[test]
fn what_is_put_together_is_activated_by_the_steps_of_its_parts() {
    let steps = |is_activated: bool| {
        let mut graph = Graph::default();
        let image = graph.push(Op::Input(0), DIMS);
        let a = graph.push(convolution(image), DIMS);
        let mut b = graph.push(convolution(a), DIMS);
        if is_activated {
            b = graph.push(activate(a, 2.0, 0.0, true), DIMS);
        }
        let dims = Dims {
            channels: 2,
            ..DIMS
        };
        let all = graph.push(Op::Concat(vec![a, b]), dims);
        let activation = Activation {
            scale: vec![2.0, 3.0],
            shift: vec![0.0, 1.0],
            relu: true,
        };
        let y = graph.push(
            Op::Activate {
                input: all,
                activation,
            },
            dims,
        );
        graph.outputs = vec![y];
        let kernels = Kernels {
            float: crate::Kernel::Portable,
            int8: crate::Kernel::PortableInt8,
        };
        let Ok(program) = lower(&graph, kernels, &NoWeights);
        program.step_count()
    };
    // The input and two convolutions.
    assert_eq!(steps(false), 3);
    // The same, and a step for the activation after an activation.
    assert_eq!(steps(true), 4);
}
