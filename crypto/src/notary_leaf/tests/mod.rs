mod document;
mod leaf;
mod metadata;
