import JSONTree
import Platform

/// The TPM of the machine and how it is reached (`[tpm]`).
package struct ChipSettings: Equatable, Sendable {
  /// Where commands go.
  package enum Address: Equatable, Sendable {
    /// A device of the kernel; one with a resource manager, such as `/dev/tpmrm0`.
    case device(path: String)
    /// The data socket of a software TPM, for tests and for virtual machines.
    case unix(path: String)
    case tcp(host: String, port: Int)
  }

  package let address: Address
  /// The authorization values of the hierarchies, mostly empty.
  package let endorsementAuthorization, ownerAuthorization: String

  /// Where a chip is unless told otherwise.
  package static let standardDevice = "/dev/tpmrm0"

  init(_ table: SettingsTable?) throws(SettingsFault) {
    try table?.refuse(otherThan: ["tcti", "auth_key_index", "hierarchy_authorization"])
    _ = try table?.number("auth_key_index", in: 0...0xFFFF_FFFF)
    address = try Self.address(table)
    let values = try table?.table("hierarchy_authorization")
    try values?.refuse(otherThan: ["endorsement", "owner"])
    func value(_ name: String) throws(SettingsFault) -> String {
      guard let value = values?.value(name) else { return "" }
      guard let text = value.stringValue, text.utf8.count <= 64 else {
        throw values?.fault(name, "must be a text of at most 64 bytes") ?? SettingsFault(name)
      }
      return text
    }
    endorsementAuthorization = try value("endorsement")
    ownerAuthorization = try value("owner")
  }

  private static func address(_ table: SettingsTable?) throws(SettingsFault) -> Address {
    guard let table, let text = try table.text("tcti") else { return .device(path: standardDevice) }
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    let rest = parts.count > 1 ? parts[1] : ""
    switch parts.first {
    case "device" where rest.isEmpty: return .device(path: standardDevice)
    case "device" where rest.hasPrefix("/"): return .device(path: rest)
    case "swtpm":
      var values: [String: String] = [:]
      for pair in rest.split(separator: ",") {
        let ends = pair.split(separator: "=", maxSplits: 1).map(String.init)
        if ends.count == 2 { values[ends[0]] = ends[1] }
      }
      if let path = values["path"], path.hasPrefix("/"), path.utf8.count <= 107 {
        return .unix(path: path)
      }
      let port = values["port"] ?? "2321"
      if values["path"] == nil, let port = Int(port), (1...65_535).contains(port) {
        return .tcp(host: values["host"] ?? "127.0.0.1", port: port)
      }
    default: break
    }
    throw table.fault(
      "tcti",
      "cannot be used: \"\(text)\"",
      remedy:
        "Write device:/dev/tpmrm0, swtpm:path=/run/swtpm.sock or swtpm:host=127.0.0.1,port=2321."
    )
  }
}
