//! Figures from labels, images and networks, for `visualise` and `report`.

use galmorph_cutout::{Image, Morphology};
use tch::Tensor;

use super::{
    ClassSamples, FeatureMaps, Figure, Filters, Sample, SplitCounts, choose_samples, class_counts,
    convolutions, feature_layers, feature_maps, filters, named_layers, sample_grid,
};
use crate::data::{ImageIndex, Label, Split};
use crate::error::{Error, Result};
use crate::model_file::TrainedModel;
use crate::torch::activations;

/// Counts the labels of each class, and draws the counts.
pub(crate) fn count_classes(labels: &[Label]) -> Result<Figure> {
    let of_split = |split: Split| {
        let mut counts = [0; Morphology::COUNT];
        for label in labels.iter().filter(|label| label.split == split) {
            counts[label.class.id()] += 1;
        }
        SplitCounts {
            split: split.to_string(),
            counts,
        }
    };
    let splits = Split::ALL.map(of_split).into_iter();
    let in_use = splits.filter(|split| split.counts.iter().any(|count| *count > 0));
    class_counts(&in_use.collect::<Vec<_>>())
}

/// Draws up to `columns` galaxies of each class, chosen at random.
///
/// # Errors
/// Names the first galaxy whose image is missing or can't be decoded.
pub(crate) fn draw_samples(
    labels: &[Label],
    images: &ImageIndex,
    columns: usize,
    seed: u64,
) -> Result<Figure> {
    let rows = choose_samples(labels, columns, seed)
        .into_iter()
        .map(|(class, chosen)| {
            let samples = chosen.into_iter().map(|label| {
                Ok(Sample {
                    id: label.id.clone(),
                    image: images.decode(&label.id)?.to_rgb8(),
                })
            });
            let samples = samples.collect::<Result<_>>()?;
            Ok(ClassSamples { class, samples })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(sample_grid(&rows))
}

/// Draws the filters of the named convolutions. Without names, it chooses some from the first to the last.
///
/// # Errors
/// When a name is that of no layer, or the layer is no convolution.
pub(crate) fn filters_of(trained: &TrainedModel, layers: &[String]) -> Result<Figure> {
    let chosen = if layers.is_empty() {
        convolutions(&trained.network)
    } else {
        named_layers(&trained.network, layers)?
    };
    Ok(filters(&Filters::of(
        &trained.network,
        &trained.weights,
        &chosen,
    )?))
}

/// Draws the feature maps of the named layers, for one galaxy at the test scale `scale`, in pixels.
/// Without names, it chooses some layers from the first to the last.
///
/// # Errors
/// When a name is that of no layer, or the layer's output is no image.
pub(crate) fn feature_maps_of(
    trained: &TrainedModel,
    layers: &[String],
    (id, image): (&str, &Image),
    scale: u32,
) -> Result<Figure> {
    let network = &trained.network;
    let chosen = if layers.is_empty() {
        feature_layers(network)
    } else {
        named_layers(network, layers)?
    };
    if let Some(node) = chosen
        .iter()
        .map(|node| &network.nodes[*node])
        .find(|node| node.shape.width < 2)
    {
        return Err(Error::Input(format!(
            "layer '{}' has single values as output, and no feature maps",
            node.name
        )));
    }
    let preprocessing = &trained.preprocessing;
    let mut view = vec![0.0; preprocessing.view_len()];
    preprocessing.view_into(image, scale, &mut view);
    let [channels, height, width] = preprocessing.view_shape().map(|n| n as i64);
    let views = Tensor::from_slice(&view).view([1, channels, height, width]);
    let outputs = activations(network, &trained.weights, &views, &chosen);
    let maps: Vec<FeatureMaps> = chosen
        .iter()
        .zip(&outputs)
        .map(|(node, output)| FeatureMaps::of(&network.nodes[*node], output))
        .collect();
    let title = format!("Activations of {} on galaxy {id}", trained.architecture);
    Ok(feature_maps(&title, &view, width as usize, &maps))
}
