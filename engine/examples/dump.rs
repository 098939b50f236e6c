use tract_onnx::prelude::*;
fn main() -> TractResult<()> {
    let path = std::env::args().nth(1).unwrap();
    let m = tract_onnx::onnx().model_for_path(&path)?;
    let m = m
        .with_input_fact(0, f32::fact([4, 3, 64, 64]).into())?
        .into_typed()?
        .into_decluttered()?;
    for n in m.eval_order()? {
        let n = m.node(n);
        println!(
            "{} {} {:?} <- {:?} => {:?}",
            n.id,
            n.name,
            n.op.name(),
            n.inputs,
            n.outputs[0].fact.shape
        );
        if std::env::args().nth(2).is_some() {
            println!("      {:?}", n.op.info()?);
        }
    }
    Ok(())
}
