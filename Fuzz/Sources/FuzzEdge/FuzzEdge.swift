import ByteIO
import EdgeEngine
import HubContract
import JSONTree

/// Any bytes as what an edge reads: the first byte says what the others are.
@c(LLVMFuzzerTestOneInput)
public func fuzzEdge(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let kind = bytes.first else { return 0 }
  let rest = Array(bytes.dropFirst())
  switch kind {
  case UInt8(ascii: "t"): checkTwin(rest)
  case UInt8(ascii: "c"): checkChildTopic(rest)
  case UInt8(ascii: "m"): checkMetrics(rest)
  case UInt8(ascii: "k"): checkChip(rest)
  case UInt8(ascii: "d"): checkDeployment(rest)
  case UInt8(ascii: "s"): checkScope(rest)
  case UInt8(ascii: "l"): _ = ParsedLogLine(String(decoding: rest, as: UTF8.self))
  case UInt8(ascii: "i"): checkImage(rest)
  default: break
  }
  return 0
}

/// A stored twin is read as a whole or not at all.
private func checkTwin(_ bytes: [UInt8]) {
  let key = IdentityKey(deviceID: "d")
  var cache = TwinCache()
  guard (try? cache.restore(key, bytes.span)) != nil else {
    precondition(cache.count == 0, "a twin that cannot be read is there")
    return
  }
  _ = cache.document(key)
}

/// What is taken as a child's topic leads back to the child.
private func checkChildTopic(_ bytes: [UInt8]) {
  guard let (identity, start) = ChildTopics.split(bytes.span) else { return }
  precondition(identity.isValid && start <= bytes.count, "no child, or a rest beyond the end")
  let topic = ChildTopics.prefix(of: identity) + bytes[start...]
  let again = ChildTopics.split(topic.span)
  precondition(again?.identity == identity, "another child")
}

private func checkMetrics(_ bytes: [UInt8]) {
  guard let values = try? MetricsText.parse(bytes.span) else { return }
  precondition(values.count <= MetricsText.valueLimit, "too many values")
  precondition(values.allSatisfy { !$0.name.isEmpty }, "a value without a name")
}

private func checkChip(_ bytes: [UInt8]) {
  if let size = TPMAnswer.byteCount(bytes.span) {
    precondition((TPMAnswer.headByteCount...TPMAnswer.byteLimit).contains(size), "a wrong size")
  }
  for command in [TPMCommand.readPublic(1), .startPolicy(nonce: []), .hmac([], key: 1)] {
    guard let answer = try? TPMAnswer(bytes.span, to: command) else { continue }
    precondition(answer.sized.reduce(0) { $0 + $1.count } <= bytes.count, "more than there is")
  }
  _ = TPMKeyPackage(bytes.span)
}

/// Desired properties of both system modules.
private func checkDeployment(_ bytes: [UInt8]) {
  guard let desired = (try? JSON.parse(bytes))?.objectValue else { return }
  if let agent = try? AgentConfiguration(desired: desired) {
    let names = agent.modules.map(\.name)
    precondition(Set(names).count == names.count, "a module twice")
  }
  if let hub = try? HubConfiguration(desired: desired, profile: .lenient) {
    _ = RouteTable(hub)
  }
}

private func checkScope(_ bytes: [UInt8]) {
  guard let value = try? JSON.parse(bytes), let page = try? ScopePage(json: value) else { return }
  let again = try? ScopePage(json: ScopePage.json(page.entries))
  precondition(again?.entries.count == page.entries.count, "an entry was lost on disk")
}

private func checkImage(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  guard let image = ImageReference(text) else { return }
  precondition(ImageReference(image.description)?.description == image.description, "another image")
}
