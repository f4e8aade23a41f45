//! Files that are deflated when the component is built: they are a tenth of it then.

/// What the build has deflated.
pub(super) fn inflated(packed: &[u8]) -> Vec<u8> {
    miniz_oxide::inflate::decompress_to_vec(packed).expect("the build has deflated it")
}
