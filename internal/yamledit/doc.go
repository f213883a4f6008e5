// Package yamledit changes scalars in a YAML file and leaves every other byte as it is.
//
// yq finds the scalar and says where it starts; its new text is spliced into the file's bytes;
// then the result is read again and compared with the file, node by node. Only when the scalars
// that were asked for differ, read back as the wanted strings, and everything else is equal
// (shape, styles, anchors, comments, line numbers) is the edit given out. Whatever cannot be
// edited so is refused, with the line and the reason.
//
// The file is never written anew by an encoder: yq's own round trip changes indentation, blank
// lines, line ends and comments that nobody asked it to change.
package yamledit
