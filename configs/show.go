package configs

import (
	"fmt"
	"reflect"
	"strings"
)

// Row is one value of the configuration as it is in force.
type Row struct {
	Key    string `json:"key"`
	Value  string `json:"value"` // without secrets
	Source string `json:"source"`
}

// Rows lists every value with its source, in file order.
func (l *Loaded) Rows() []Row {
	var out []Row
	for _, k := range leaves(reflect.ValueOf(l.Config), "") {
		out = append(out, l.rows(k.key, k.value, l.source[k.key])...)
	}
	return out
}

// rows spreads a list of mappings over one row for each field.
func (l *Loaded) rows(path string, v reflect.Value, source string) []Row {
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		var out []Row
		for i := range v.Len() {
			out = append(out, l.rows(fmt.Sprintf("%s[%d]", path, i), v.Index(i), source)...)
		}
		if out == nil {
			out = []Row{{path, "none", source}}
		}
		return out
	case v.Kind() == reflect.Struct:
		var out []Row
		for i := range v.NumField() {
			key := path + "." + v.Type().Field(i).Tag.Get("yaml")
			src := "default"
			if l.set[key] {
				src = l.place(key)
			}
			out = append(out, l.rows(key, v.Field(i), src)...)
		}
		return out
	case v.Kind() == reflect.Slice:
		words := make([]string, v.Len())
		for i := range words {
			words[i] = fmt.Sprint(v.Index(i).Interface())
		}
		return []Row{{path, strings.Join(words, ", "), source}}
	}
	return []Row{{path, fmt.Sprint(v.Interface()), source}}
}
