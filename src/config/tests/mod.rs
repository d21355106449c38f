mod decode;
mod diagnostic;
mod fixtures;
mod locate;
mod parse;
mod promql;
mod scalar;
