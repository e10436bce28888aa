import ByteIO
import HubContract

private let secret = SymmetricKey(bytes: [UInt8](0..<32))

/// Any bytes as a list of blocks, as a blob's name and as the fields of a signature.
@c(LLVMFuzzerTestOneInput)
public func fuzzBlob(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  checkBlockList(bytes)
  let text = String(decoding: bytes, as: UTF8.self)
  checkName(text)
  checkSignature(text)
  return 0
}

private func checkBlockList(_ bytes: [UInt8]) {
  guard let list = try? BlockList(bytes) else { return }
  precondition(list.entries.count <= BlockList.limit, "more blocks than a blob has")
  precondition(Set(list.entries.map(\.id)).count == list.entries.count, "a block stands twice")
  var text = "<BlockList>"
  for entry in list.entries {
    precondition(BlockList.isID(entry.id), "an ID is none")
    text += "<\(entry.source.rawValue)>\(entry.id)</\(entry.source.rawValue)>"
  }
  text += "</BlockList>"
  precondition((try? BlockList([UInt8](text.utf8))) == list, "reads back differently")
}

private func checkName(_ text: String) {
  guard let key = BlobKey(container: "uploads", name: text) else { return }
  precondition(PercentCoding.decode(key.urlName) == text, "the name changed in its URL")
  guard let secret else { return }
  let query = BlobSignature.make(
    account: "hub",
    container: key.container,
    name: key.name,
    permissions: [.read, .write],
    expiry: Timestamp(seconds: 1_800_000_000),
    key: secret,
    hmacSHA256: mix
  )
  guard let signature = try? BlobSignature(query: fields(query)) else {
    preconditionFailure("our own signature is refused")
  }
  precondition(isSigned(signature, key.name, secret), "our own signature does not hold")
  precondition(!isSigned(signature, key.name + "x", secret), "it holds for another blob")
}

private func checkSignature(_ text: String) {
  guard let secret, let signature = try? BlobSignature(query: fields(text)) else { return }
  // An HMAC that nobody can have signed with: nothing may ever hold.
  precondition(
    !signature.isSigned(
      by: secret,
      account: "hub",
      container: "uploads",
      name: "x",
      hmacSHA256: { _, _ in [1, 2, 3] }
    ),
    "a signature of another length is accepted"
  )
  precondition(!"\(signature)".contains("sig="), "the signature is shown")
}

private func isSigned(_ signature: BlobSignature, _ name: String, _ key: SymmetricKey) -> Bool {
  signature.isSigned(
    by: key,
    account: "hub",
    container: "uploads",
    name: name,
    hmacSHA256: mix
  )
}

private func fields(_ query: String) -> [String: String] {
  var fields: [String: String] = [:]
  for pair in query.split(separator: "&") {
    let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { continue }
    fields[String(parts[0])] = PercentCoding.decode(String(parts[1]))
  }
  return fields
}

// Not an HMAC: quick, and different for different input.
private func mix(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
  var state: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in key + message { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
  return (0..<32).map { UInt8(truncatingIfNeeded: state >> UInt64($0 % 8 * 8)) }
}
