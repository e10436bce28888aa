import ByteIO
import HubContract

private let topics = DeviceTopics(IdentityKey(deviceID: "d#", moduleID: "m+"))
private let stamp = EventStamp(
  identity: IdentityKey(deviceID: "d#", moduleID: "m+"),
  authMethod: ConnectionAuthMethod(scope: .module, type: .sas),
  generationID: "1"
)

/// Any bytes as a bag, as a topic and as a stored event.
@c(LLVMFuzzerTestOneInput)
public func fuzzPropertyBag(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  checkBag(bytes)
  checkTopic(bytes)
  checkEvent(bytes)
  return 0
}

private func checkBag(_ bytes: [UInt8]) {
  let bag = PropertyBag(bytes.span)
  var end = 0
  var iterator = bag.makeIterator()
  while let entry = iterator.next() {
    precondition(entry.key.lowerBound >= end, "entries overlap")
    end = max(entry.key.upperBound, entry.value?.upperBound ?? 0)
    precondition(end <= bytes.count, "an entry lies outside")
  }
  let properties = bag.properties()
  var writer = PropertyBagWriter()
  for property in properties { writer.append(property) }
  let written = writer.bytes
  precondition(PropertyBag(written.span).properties() == properties, "reads back differently")
  let counted = bag.countedBytes
  precondition(counted <= bytes.count, "decoding made it longer")
  if bytes.count <= PropertyBag.messageIDLimit {
    precondition((try? bag.check(bodyBytes: 7, limit: counted + 7)) != nil, "refused at the limit")
    if counted > 0 {
      precondition((try? bag.check(bodyBytes: 7, limit: counted + 6)) == nil, "accepted above")
    }
  }
}

private func checkTopic(_ bytes: [UInt8]) {
  _ = topics.classify(filter: bytes.span)
  for stem in [
    "", "devices/d#/modules/m+/messages/events/", "$iothub/twin/", "$iothub/methods/res/",
  ] {
    let topic = [UInt8](stem.utf8) + bytes
    switch topics.classify(topic.span) {
    case .telemetry(let bag): precondition(bag.upperBound == topic.count, "a bag was cut")
    case .twinGet(let requestID), .twinPatch(let requestID, _), .methodResponse(_, let requestID):
      precondition(requestID.upperBound <= topic.count, "a request ID lies outside")
    case .foreign, .unknown, .malformed: break
    }
  }
}

private func checkEvent(_ bytes: [UInt8]) {
  if let view = try? EventView(bytes.span) {
    _ = view.json(offset: "1", sequenceNumber: 1, enqueuedTime: .epoch)
  }
  let half = bytes.count / 2
  let bag = Array(bytes[..<half])
  let body = Array(bytes[half...])
  var writer = ByteWriter()
  EventEncoder.append(stamp: stamp, flags: .retain, bag: bag.span, body: body.span, to: &writer)
  let record = writer.bytes
  guard let view = try? EventView(record.span) else {
    preconditionFailure("what was written is refused")
  }
  precondition(view.bag.bytes.elementsEqual(bag.span), "the bag changed")
  precondition(view.body.elementsEqual(body.span), "the body changed")
  precondition(view.identity == IdentityKey(deviceID: "d#", moduleID: "m+"), "the identity changed")
}
