package main

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// codec codes the service's messages: structures whose fields name their numbers in a tag pb:"N". It knows the kinds of fields that the
// service has: string, bool, uint32, uint64, bytes, nested messages (pointers), and lists of these.
type codec struct{}

// Name is that of the encoding on the wire.
func (codec) Name() string { return "proto" }

// Marshal encodes a message.
func (codec) Marshal(v any) ([]byte, error) {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("interop: %T is no message", v)
	}
	return appendMessage(nil, p.Elem())
}

// Unmarshal decodes a message. Fields with other numbers are passed over.
func (codec) Unmarshal(data []byte, v any) error {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("interop: %T is no message", v)
	}
	return readMessage(data, p.Elem())
}

var errField = errors.New("interop: malformed message")

// number is the number of a field.
func number(f reflect.StructField) (protowire.Number, error) {
	n, err := strconv.ParseInt(f.Tag.Get("pb"), 10, 32)
	return protowire.Number(n), err
}

func appendMessage(out []byte, v reflect.Value) ([]byte, error) {
	for i := range v.NumField() {
		n, err := number(v.Type().Field(i))
		if err != nil {
			return nil, err
		}
		if out, err = appendField(out, n, v.Field(i), false); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// appendField appends one field; in a list also values that are zero.
func appendField(out []byte, n protowire.Number, v reflect.Value, listed bool) ([]byte, error) {
	if v.IsZero() && !listed {
		return out, nil
	}
	switch v.Kind() {
	case reflect.String:
		return protowire.AppendString(protowire.AppendTag(out, n, protowire.BytesType), v.String()), nil
	case reflect.Bool:
		return protowire.AppendVarint(protowire.AppendTag(out, n, protowire.VarintType), protowire.EncodeBool(v.Bool())), nil
	case reflect.Uint32, reflect.Uint64:
		return protowire.AppendVarint(protowire.AppendTag(out, n, protowire.VarintType), v.Uint()), nil
	case reflect.Pointer:
		inner, err := appendMessage(nil, v.Elem())
		return protowire.AppendBytes(protowire.AppendTag(out, n, protowire.BytesType), inner), err
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return protowire.AppendBytes(protowire.AppendTag(out, n, protowire.BytesType), v.Bytes()), nil
		}
		var err error
		for i := range v.Len() {
			if out, err = appendField(out, n, v.Index(i), true); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("interop: fields of type %s are not coded", v.Type())
}

func readMessage(data []byte, v reflect.Value) error {
	fields := map[protowire.Number]reflect.Value{}
	for i := range v.NumField() {
		n, err := number(v.Type().Field(i))
		if err != nil {
			return err
		}
		fields[n] = v.Field(i)
	}
	for len(data) > 0 {
		n, kind, size := protowire.ConsumeTag(data)
		if size < 0 {
			return errField
		}
		data = data[size:]
		field, known := fields[n]
		if !known {
			if size = protowire.ConsumeFieldValue(n, kind, data); size < 0 {
				return errField
			}
			data = data[size:]
			continue
		}
		used, err := readField(data, kind, field)
		if err != nil {
			return err
		}
		data = data[used:]
	}
	return nil
}

func readField(data []byte, kind protowire.Type, v reflect.Value) (int, error) {
	switch kind {
	case protowire.VarintType:
		x, size := protowire.ConsumeVarint(data)
		if size < 0 {
			return 0, errField
		}
		return size, setNumber(v, x)
	case protowire.BytesType:
		b, size := protowire.ConsumeBytes(data)
		if size < 0 {
			return 0, errField
		}
		return size, setBytes(v, b)
	}
	return 0, errField
}

func setNumber(v reflect.Value, x uint64) error {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(x != 0)
	case reflect.Uint32, reflect.Uint64:
		if v.OverflowUint(x) {
			return errField
		}
		v.SetUint(x)
	case reflect.Slice:
		item := reflect.New(v.Type().Elem()).Elem()
		if err := setNumber(item, x); err != nil {
			return err
		}
		v.Set(reflect.Append(v, item))
	default:
		return errField
	}
	return nil
}

func setBytes(v reflect.Value, b []byte) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(string(b))
		return nil
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return readMessage(b, v.Elem())
	case reflect.Slice:
		return appendBytes(v, b)
	}
	return errField
}

// appendBytes sets octets, or adds to a list. Lists of numbers may be packed.
func appendBytes(v reflect.Value, b []byte) error {
	switch element := v.Type().Elem(); element.Kind() {
	case reflect.Uint8:
		v.SetBytes(append([]byte{}, b...))
	case reflect.Uint32:
		for len(b) > 0 {
			x, size := protowire.ConsumeVarint(b)
			if size < 0 {
				return errField
			}
			if err := setNumber(v, x); err != nil {
				return err
			}
			b = b[size:]
		}
	default:
		item := reflect.New(element).Elem()
		if err := setBytes(item, b); err != nil {
			return err
		}
		v.Set(reflect.Append(v, item))
	}
	return nil
}
