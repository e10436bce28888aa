import EdgeService
import HubContract
import JSONTree
import Platform

private let paths = EdgePaths(data: "/d", run: "/r")

/// Any bytes as the settings file of an edge, ours and the vendor's.
@c(LLVMFuzzerTestOneInput)
public func fuzzSettings(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  checkTree(bytes)
  // Each setting of a file that is taken over is tried, which takes time in long ones.
  if bytes.count <= 4096 { checkImport(bytes) }
  guard let settings = try? EdgeSettings(bytes, file: "f", paths: paths) else { return 0 }
  precondition(!settings.hostName.isEmpty, "no host name")
  guard settings.copy == nil else { return 0 }
  for role in EdgeRole.allCases { checkCopy(bytes, for: role, of: settings) }
  return 0
}

/// What is written is what was read.
private func checkTree(_ bytes: [UInt8]) {
  guard let tree = try? TOMLDocument.parse(bytes, file: "f") else { return }
  let text = TOMLDocument.text(of: tree)
  do throws(SettingsFault) {
    let again = try TOMLDocument.parse(Array(text.utf8), file: "f")
    precondition(sorted(.object(again)) == sorted(.object(tree)), "another tree: \(text)")
  } catch {
    preconditionFailure("\(error): \(text)")
  }
}

/// The same with the members of objects in one order.
private func sorted(_ value: JSONValue) -> JSONValue {
  if let object = value.objectValue {
    let members = object.map { (key: $0.key, value: sorted($0.value)) }
    return .object(JSONObject(members.sorted { $0.key < $1.key }))
  }
  return value.arrayValue.map { .array($0.map(sorted)) } ?? value
}

/// A process reads in its copy what the file says, and no key that is not for it.
private func checkCopy(_ bytes: [UInt8], for role: EdgeRole, of settings: EdgeSettings) {
  do throws(SettingsFault) {
    let text = try SettingsCopy.text(of: bytes, at: "f", for: role, paths: paths)
    let copy = try EdgeSettings(Array(text.utf8), file: "copy", paths: paths)
    precondition(copy.copy?.role == role && copy.copy?.original == "f", "another process's")
    precondition(copy.upstream == settings.upstream, "another way upstream")
    switch role {
    case .keys: precondition(copy.provisioning == settings.provisioning, "another device")
    case .agent:
      precondition(copy.containerEngine == settings.containerEngine, "another engine")
      precondition(copy.images == settings.images, "other images")
      precondition(!holdsKey(copy), "a key that is not for it")
    case .hub:
      precondition(copy.hub == settings.hub, "another local hub")
      precondition(!holdsKey(copy), "a key that is not for it")
    }
  } catch {
    preconditionFailure("the copy for \(role) is refused: \(error)")
  }
}

private func holdsKey(_ settings: EdgeSettings) -> Bool {
  let proof =
    switch settings.provisioning {
    case .manual(_, _, let proof): proof
    case .service(let service): service.proof
    }
  return if case .symmetricKey(let key) = proof { key != .withheld } else { false }
}

/// What is taken over can be used.
private func checkImport(_ bytes: [UInt8]) {
  guard let taken = try? SettingsImport(bytes, file: "f", paths: paths) else { return }
  do throws(SettingsFault) {
    _ = try EdgeSettings(Array(taken.text.utf8), file: "new", paths: paths)
  } catch {
    preconditionFailure("what was taken over is refused: \(error): \(taken.text)")
  }
}
