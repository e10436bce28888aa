import ByteIO
import HubContract

private let secret = SymmetricKey(bytes: [UInt8](0..<32))

/// Any bytes as a token, a connection string, a user name and a time.
@c(LLVMFuzzerTestOneInput)
public func fuzzSAS(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  checkToken(bytes)
  checkToken([UInt8]("SharedAccessSignature ".utf8) + bytes)
  checkResource(bytes)
  checkTexts(bytes)
  return 0
}

private func checkToken(_ bytes: [UInt8]) {
  guard let token = try? SharedAccessSignature(bytes), let secret else { return }
  precondition(token.resource.covers(token.resource), "a resource does not cover itself")
  // An HMAC that nobody can have signed with: nothing may ever verify.
  precondition(
    (try? token.verify(key: secret, now: .never, hmacSHA256: { _, _ in [1, 2, 3] })) == nil,
    "a signature of another length is accepted"
  )
}

private func checkResource(_ bytes: [UInt8]) {
  guard let secret, bytes.count < 500,
    let resource = String(validating: bytes, as: UTF8.self)
  else { return }
  let host = SASResource(decoded: resource).host
  let made = SharedAccessSignature.make(
    resource: resource,
    key: secret,
    policy: resource,
    expirySeconds: 7,
    hmacSHA256: mix
  )
  guard let token = try? SharedAccessSignature(made) else {
    precondition(host.isEmpty, "our own token is refused")
    return
  }
  precondition(token.resource == SASResource(decoded: resource), "the resource changed")
  precondition(token.policy == (resource.isEmpty ? nil : resource), "the policy changed")
  precondition(token.isSigned(by: secret, hmacSHA256: mix), "our own token does not verify")
}

private func checkTexts(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  if let value = try? ConnectionString(text) {
    precondition((try? ConnectionString(value.text)) == value, "reads back differently")
  }
  _ = try? UserName(bytes, clientID: [UInt8]("d".utf8))
  if let time = Timestamp(iso8601: bytes) {
    precondition(Timestamp(iso8601: time.iso8601) == time, "a time reads back differently")
  }
  _ = ETagCondition(ifMatch: text)
  _ = IdentityKey(clientID: text)
}

// Not an HMAC: quick, and different for different input.
private func mix(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
  var state: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in key + message { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
  return (0..<32).map { UInt8(truncatingIfNeeded: state >> UInt64($0 % 8 * 8)) }
}
