// Package yamledit changes scalars, and entries of mappings, in a YAML file and leaves every other
// byte as it is.
//
// yq finds the nodes and says where they start; the new text is spliced into the file's bytes;
// then the result is read again and compared with the file, node by node. Only when the scalars
// and entries that were asked for differ, read back as the wanted strings, and everything else is
// equal (shape, styles, anchors, comments, line numbers) is the edit given out. Whatever cannot be
// edited so is refused, with the line and the reason.
//
// An entry that comes in takes the place behind the mapping's last one, indented, quoted and ended
// as the others are. A mapping that has to be made for it stands behind the last entry of the one
// around it. In flow style it takes the place of one that goes, where one does.
//
// The file is never written anew by an encoder: yq's own round trip changes indentation, blank
// lines, line ends and comments that nobody asked it to change.
package yamledit
