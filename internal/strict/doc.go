// Package strict reads the YAML files that people write, and takes them at
// their word: a field that nobody knows, a key given twice, a second document,
// an alias or a hidden control character is an error that names file, line and
// column, never something to be skipped.
//
// Plain files go through Decode. A loader that has more to say about a value
// than its type gives keeps the place: by declaring the field as Value[T], by
// implementing Unmarshaler, or by asking Document.Errorf for a path.
//
//	var f struct {
//		Name  string                  `yaml:"name" strict:"required"`
//		Peers []strict.Value[string] `yaml:"peers"`
//	}
//	doc, err := strict.Parse("signer.yaml", data)
//	…
//	err = doc.Decode(&f)
//	…
//	return doc.Errorf("peers[0]", "write host:port", "bad peer %q", f.Peers[0].V)
//
// Scalars are read from their text, not from YAML's guess at a type: an
// unquoted 0x… address or an id like 007 arrives as it was written.
package strict
