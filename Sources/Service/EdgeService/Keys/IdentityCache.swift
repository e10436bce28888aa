import JSONTree
import Platform

/// The module identities of a device as the hub last told them, on disk: what answers without a
/// network.
struct IdentityCache {
  private let path: String
  /// The hub and the device that they are of.
  private let owner: String
  private(set) var modules: [String: ModuleIdentityRecord] = [:]

  /// Reads what is kept of this device; another's is forgotten.
  init(directory: String, identity: EdgeIdentity) {
    path = directory + "/identities.json"
    owner = "\(identity.hubName)/\(identity.deviceID)"
    guard let bytes = try? PrivateFile.read(path), let json = try? JSON.parse(bytes),
      json["owner"]?.stringValue == owner
    else { return }
    for record in (json["modules"]?.arrayValue ?? []).compactMap(ModuleIdentityRecord.init) {
      modules[record.moduleID] = record
    }
  }

  /// All, in the order of their IDs.
  var all: [ModuleIdentityRecord] { modules.values.sorted { $0.moduleID < $1.moduleID } }

  mutating func set(_ record: ModuleIdentityRecord) throws(FileFault) {
    guard modules[record.moduleID] != record else { return }
    modules[record.moduleID] = record
    try store()
  }

  mutating func remove(_ moduleID: String) throws(FileFault) {
    guard modules.removeValue(forKey: moduleID) != nil else { return }
    try store()
  }

  mutating func replace(_ records: [ModuleIdentityRecord]) throws(FileFault) {
    let new = Dictionary(records.map { ($0.moduleID, $0) }, uniquingKeysWith: { _, last in last })
    guard new != modules else { return }
    modules = new
    try store()
  }

  private func store() throws(FileFault) {
    let json: JSONValue = ["owner": .string(owner), "modules": .array(all.map(\.json))]
    try PrivateFile.replace(path, with: JSON.bytes(json))
  }
}
