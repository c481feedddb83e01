// Package events holds the facts of the ledger: one Go type for each kind of
// event, the CloudEvents envelope around it, and the codec between the two and
// the bytes on the stream.
//
// What is guaranteed:
//
//   - Encode gives the bytes that are published, hashed and exported. Nothing
//     re-marshals an event after that: whoever passes one on passes on
//     [Recorded.Raw].
//   - Decode never panics. Input that is not an event is a [*FieldError] that
//     names the field. Every golden file under testdata/golden decodes for ever;
//     those files are never edited.
//   - A type or a version that this build does not know is kept: it decodes to
//     [Unknown], with its data untouched.
//   - A field that a later minor revision adds to a known type is passed over by
//     Decode and stays in Raw.
//
// What is not: Decode does not check that a token exists, or that events come in
// a sensible order. That is for the projections.
//
// To add a type: a file with the struct, its Type method and its decode method;
// one line in [newData]; one golden file. To change one: a new version (…v2) with
// a type of its own; v1 stays.
//
// The package imports the standard library and ulid, and nothing of ours.
package events
