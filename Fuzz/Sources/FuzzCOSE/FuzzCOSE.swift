import ByteIO
import COSE

/// Any bytes as a value, as messages of both kinds, as a key, and as a claims set.
///
/// What is accepted is written again as the same bytes: there is no second encoding of anything.
@c(LLVMFuzzerTestOneInput)
public func fuzzCOSE(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let first = input.first else { return 0 }
  let bytes = Array(input.dropFirst())
  switch first & 3 {
  case 0: readValue(bytes)
  case 1: readMessage(bytes, first & 4 == 0 ? .sign1 : .mac0, first & 8 == 0 ? .tagged : .untagged)
  case 2: readClaims(bytes)
  default: readKey(bytes)
  }
  return 0
}

func readValue(_ bytes: [UInt8]) {
  guard let value = try? CBORValue(bytes.span) else { return }
  precondition(value.encoded == bytes, "a second encoding")
}

func readMessage(_ bytes: [UInt8], _ kind: COSEKind, _ tagging: COSETagging) {
  guard let message = try? COSEMessage(bytes.span, kind: kind, tagging: tagging) else { return }
  let payload = message.payloadRange.map { Array(bytes[$0]) }
  let signed = try? message.authenticatedBytes(
    in: bytes.span,
    externalData: [1],
    detachedPayload: payload == nil ? [2] : nil
  )
  guard
    let draft = try? COSEDraft(
      algorithm: message.headers.algorithm,
      protected: message.headers.protected,
      unprotected: message.headers.unprotected,
      payload: payload ?? [2],
      isDetached: payload == nil
    )
  else { preconditionFailure("a message that can be read can't be written") }
  precondition(draft.authenticatedBytes(externalData: [1]) == signed, "another thing is signed")
  let authentication = Array(bytes[message.authenticationRange])
  let again = try? draft.finished(with: authentication, tagging: tagging)
  precondition(again == bytes, "a second encoding")
}

func readClaims(_ bytes: [UInt8]) {
  guard let claims = try? EATClaims(bytes.span) else { return }
  let again = claims.encoded
  // A key may leave out what it is written with.
  precondition(claims.confirmationKey != nil || again == bytes, "a second encoding")
  precondition((try? EATClaims(again.span))?.encoded == again, "not read again")
}

func readKey(_ bytes: [UInt8]) {
  guard let value = try? CBORValue(bytes.span), let key = try? COSEKey(value) else { return }
  precondition((try? COSEKey(key.value)) == key, "not read again")
}
