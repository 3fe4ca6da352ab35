package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// Options say where to look.
type Options struct {
	File  string                 // path of signer.yaml
	Flags map[string]*pflag.Flag // by key ("log.level"); only those that were given count
	Bare  bool                   // a missing file is an empty one
}

// Loaded is a configuration that knows where each value came from.
type Loaded struct {
	Config
	File string // absolute path of signer.yaml

	doc    *strict.Document
	set    map[string]bool // keys that the file sets
	source map[string]string
}

// Load reads signer.yaml, the environment and the flags, and checks the result.
// Mistakes in the file come as *strict.Error.
func Load(o Options) (*Loaded, error) {
	path, err := filepath.Abs(o.File)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	data, mode, err := read(path, o.Bare)
	if err != nil {
		return nil, err
	}
	l := &Loaded{File: path, set: map[string]bool{}, source: map[string]string{}}
	name := filepath.Base(path)
	if l.doc, err = strict.Parse(name, data); err != nil {
		return nil, err
	}
	strictly := Default()
	if err := l.doc.Decode(&strictly); err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := l.doc.Decode(&root); err != nil {
		return nil, err
	}
	mark(&root, "", l.set)

	v, err := fromFile(&root)
	if err != nil {
		return nil, err
	}
	plain, err := decode(v)
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(plain, strictly) {
		return nil, l.doc.Errorf("", "write numbers in plain decimal digits, without leading zeros", "a value can be read in two ways")
	}
	if err := l.overlay(v, o.Flags); err != nil {
		return nil, err
	}
	if l.Config, err = decode(v); err != nil {
		return nil, council.WithHint(fmt.Errorf("read environment and flags: %w", err), "'signer config show' names the source of each value")
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	if err := l.checkMode(mode); err != nil {
		return nil, err
	}
	l.resolve()
	return l, nil
}

func read(path string, bare bool) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if bare {
			return nil, 0o600, nil
		}
		return nil, 0, council.WithHint(fmt.Errorf("no configuration at %s", path), "make one with 'signer init', or name its directory with --home")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("read configuration: %w", err)
	}
	if info.Size() > strict.MaxBytes {
		return nil, 0, fmt.Errorf("read configuration: %s has %d bytes; at most %d", path, info.Size(), strict.MaxBytes)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		return nil, 0, fmt.Errorf("read configuration: %w", err)
	}
	return b.Bytes(), info.Mode(), nil
}

// mark notes which keys the file sets, and prepares it for viper. Every scalar
// becomes a quoted text: a member called 007 must not become a number. A field
// without a value is taken out: of "unlock:" alone viper would make, on some
// runs, all defaults of unlock, over what the environment says.
func mark(n *yaml.Node, path string, set map[string]bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
		set[path] = true
	case yaml.MappingNode:
		var kept []*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if v := n.Content[i+1]; v.Kind != yaml.ScalarNode || v.Tag != "!!null" {
				kept = append(kept, n.Content[i], v)
			}
		}
		n.Content = kept
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if path != "" {
				key = path + "." + key
			}
			mark(n.Content[i+1], key, set)
		}
	case yaml.SequenceNode:
		set[path] = true
		for i, c := range n.Content {
			mark(c, fmt.Sprintf("%s[%d]", path, i), set)
		}
	}
}

// fromFile gives viper the file, with the defaults below it.
func fromFile(root *yaml.Node) (*viper.Viper, error) {
	v := viper.New()
	for _, k := range leaves(reflect.ValueOf(Default()), "") {
		v.SetDefault(k.key, k.value.Interface())
	}
	v.SetConfigType("yaml")
	if root.Kind != yaml.MappingNode { // an empty file
		return v, nil
	}
	b, err := yaml.Marshal(root)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if err := v.ReadConfig(bytes.NewReader(b)); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return v, nil
}

func decode(v *viper.Viper) (Config, error) {
	var c Config
	err := v.Unmarshal(&c, viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(
		mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(","))))
	if err != nil {
		return Config{}, fmt.Errorf("decode: %w", err)
	}
	return c, nil
}

// EnvName is the environment variable that overrides a key.
func EnvName(key string) string {
	return "SIGNER_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// overlay binds environment and flags, and notes each value's source.
func (l *Loaded) overlay(v *viper.Viper, flags map[string]*pflag.Flag) error {
	for _, k := range leaves(reflect.ValueOf(Default()), "") {
		l.source[k.key] = "default"
		if l.set[k.key] {
			l.source[k.key] = l.place(k.key)
		}
		if !k.plain() {
			continue // lists of mappings have no form in the environment
		}
		if err := v.BindEnv(k.key, EnvName(k.key)); err != nil {
			return fmt.Errorf("read environment: %w", err)
		}
		if os.Getenv(EnvName(k.key)) != "" {
			l.source[k.key] = "environment " + EnvName(k.key)
		}
		if f := flags[k.key]; f != nil && f.Changed {
			if err := v.BindPFlag(k.key, f); err != nil {
				return fmt.Errorf("read flags: %w", err)
			}
			l.source[k.key] = "flag --" + f.Name
		}
	}
	return nil
}

func (l *Loaded) place(path string) string {
	p := l.doc.At(path)
	return fmt.Sprintf("%s:%d", l.doc.File, p.Line)
}

// fromFileKey reports whether the value in force is the file's.
func (l *Loaded) fromFileKey(key string) bool { return l.source[key] == l.place(key) }

// resolve makes paths absolute: those of files stand relative to signer.yaml,
// so that a configuration works from any directory.
func (l *Loaded) resolve() {
	base := filepath.Dir(l.File)
	abs := func(p *string, base string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
	abs(&l.Data, base)
	abs(&l.Socket, l.Data)
	for _, p := range []*string{&l.Roster, &l.Charter, &l.Policy, &l.Actions, &l.Unlock.Identity, &l.Unlock.Passphrase} {
		abs(p, base)
	}
	for i := range l.Successions {
		abs(&l.Successions[i], base)
	}
	for i := range l.Chains {
		if l.Chains[i].Poll == 0 {
			l.Chains[i].Poll = DefaultPoll
		}
		if l.Chains[i].MaxLag == 0 {
			l.Chains[i].MaxLag = DefaultMaxLag
		}
	}
}

// leaf is a value that has one source: a scalar or a whole list.
type leaf struct {
	key   string
	value reflect.Value
}

// plain reports whether the value has a form in the environment.
func (k leaf) plain() bool {
	return k.value.Kind() != reflect.Slice || k.value.Type().Elem().Kind() == reflect.String
}

// leaves lists the keys of a Config in file order.
func leaves(v reflect.Value, path string) []leaf {
	var out []leaf
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("yaml")
		if path != "" {
			key = path + "." + key
		}
		if f := v.Field(i); f.Kind() == reflect.Struct {
			out = append(out, leaves(f, key)...)
		} else {
			out = append(out, leaf{key, f})
		}
	}
	return out
}
