// Package secretscan is the receiving end of GitHub's secret scanning partner program:
// https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program
//
// GitHub posts the tokens that it found in public places as a JSON array, signed with
// ECDSA on P-256 over the SHA-256 of the body's bytes. Which key signed is said by the
// header Github-Public-Key-Identifier; the signature, in ASN.1 and base64, is in
// Github-Public-Key-Signature. The keys are published as
// {"public_keys":[{"key_identifier":…,"key":PEM,"is_current":…}]}.
//
// What is guaranteed:
//
//   - Nothing of a body is parsed before its signature has been verified over the bytes
//     as they came.
//   - Keys come from where the operator said, a file or an https URL, and from nowhere
//     else. Any key of the set is taken, current or not: GitHub goes on signing with one
//     for a while when it brings the next. A key that is taken out of the set counts no
//     more as soon as the set is read again.
//   - Memory is bounded: bodies, key sets, and how many messages are taken at a time.
//
// What is not: a message has no time in it, so one that was signed once is good as long
// as its key is. It says of a token that it was seen somewhere, which does not stop being
// true, and recording it again changes nothing.
package secretscan
