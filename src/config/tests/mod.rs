mod decode;
mod diagnostic;
mod locate;
mod parse;
mod scalar;
