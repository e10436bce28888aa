import HubContract
import HubEngine
import JSONTree
import Simulation

/// Any bytes as a patch of a digital twin: refused with a short reason and nothing changed, or carried out
/// so that the twin keeps its rules and can be read.
@c(LLVMFuzzerTestOneInput)
public func fuzzDigitalTwin(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let body = try? JSON.parse(bytes) else { return 0 }
  var hub = HubEngine(
    storage: SimHubStorage(),
    entropy: { [UInt8](repeating: 7, count: $0) }
  )
  let key = IdentityKey(deviceID: "d")
  let now = Timestamp(seconds: 1_800_000_000)
  do {
    _ = try hub.putDevice(DeviceIdentityRequest(deviceID: "d"), ifMatch: .absent, now: now)
    _ = try hub.patchReported(key, ["p": ["a": 1], "t": ["__t": "c", "a": 1]], now: now)
    let desired: JSONObject = ["x": ["y": 1], "t": ["__t": "c", "b": 2], "u": ["__t": "c"]]
    _ = try hub.updateTwin(
      key,
      TwinUpdate(desired: .set(desired)),
      replacing: false,
      ifMatch: .absent,
      now: now
    )
  } catch {
    preconditionFailure("the twin cannot be made: \(error)")
  }
  let before = hub.storage.tables
  do {
    let patch = try DigitalTwinPatch(body: body)
    _ = try hub.updateDigitalTwin("d", patch, ifMatch: .absent, now: now)
  } catch {
    precondition(hub.storage.tables == before, "a refused patch has changed something")
    precondition(error.code.httpStatus == 400, "a fault of ours: \(error)")
    precondition(error.message.utf8.count < 2000, "a reason without an end")
    return 0
  }
  guard let twin = hub.storage.tables.twins[key],
    let desired = try? JSON.parse(twin.desired.properties),
    let shown = try? hub.view.digitalTwin("d"), let json = try? JSON.parse(shown.body)
  else { preconditionFailure("the digital twin cannot be read") }
  precondition(isConformant(desired), "null, an array or a name of the hub's is desired")
  precondition(json["$dtId"] == "d" && json["p"] == ["a": 1], "what was reported is gone")
  return 0
}

private func isConformant(_ value: JSONValue) -> Bool {
  switch value {
  case .null, .array: false
  case .object(let object): object.allSatisfy { !$0.key.contains("$") && isConformant($0.value) }
  default: true
  }
}
