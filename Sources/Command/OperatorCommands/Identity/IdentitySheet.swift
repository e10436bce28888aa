import HubContract
import JSONTree

/// Shows identities to people.
enum IdentitySheet {
  /// All facts about one; its keys only if they were asked for.
  static func facts(_ identity: JSONValue, showsKeys: Bool) -> FactSheet {
    var sheet = FactSheet()
    func text(_ name: String) -> String? { identity[name]?.stringValue }
    sheet.append("device", text("deviceId"))
    sheet.append("module", text("moduleId"))
    sheet.append("status", text("status"))
    sheet.append("reason", text("statusReason"))
    sheet.append("connection", text("connectionState"))
    sheet.append("since", text("connectionStateUpdatedTime").map(ShownTime.text))
    sheet.append("last activity", text("lastActivityTime").map(ShownTime.text))
    sheet.append("authentication", identity.authenticationName)
    let thumbprints = identity[path: ["authentication", "x509Thumbprint"]]
    sheet.append("thumbprint", thumbprints?["primaryThumbprint"]?.stringValue)
    sheet.append("next thumbprint", thumbprints?["secondaryThumbprint"]?.stringValue)
    for slot in KeySlot.allCases {
      let shown = showsKeys ? identity.key(slot)?.base64 : "hidden, see --show-keys"
      sheet.append("\(slot.rawValue) key", identity.key(slot) == nil ? nil : shown)
    }
    if identity[path: ["capabilities", "iotEdge"]]?.boolValue == true {
      sheet.append("edge device", "yes", .plain)
    }
    sheet.append("managed by", text("managedBy"))
    sheet.append("scope", text("deviceScope"))
    let parent = identity["parentScopes"]?.arrayValue?.first?.stringValue
    sheet.append("parent's scope", parent == text("deviceScope") ? nil : parent)
    sheet.append("queued messages", identity["cloudToDeviceMessageCount"]?.shown)
    sheet.append("generation", text("generationId"))
    sheet.append("etag", text("etag"))
    return sheet
  }

  /// A list of devices; the rows may be identities or twins.
  static func devices(_ rows: [JSONValue]) -> Table {
    var table = Table(["DEVICE", "STATUS", "CONNECTION", "AUTH", "LAST ACTIVITY", "KIND"])
    for row in rows {
      let isEdge = row[path: ["capabilities", "iotEdge"]]?.boolValue == true
      table.append([
        Cell(row["deviceId"]?.shown ?? "-", .strong),
        Cell(row["status"]?.shown ?? "-"),
        Cell(row["connectionState"]?.shown ?? "-"),
        Cell(row.authenticationName, .plain),
        Cell(ShownTime.text(row["lastActivityTime"]?.stringValue)),
        Cell(isEdge ? "edge" : "device", .plain),
      ])
    }
    return table
  }

  /// A list of a device's modules.
  static func modules(_ rows: [JSONValue]) -> Table {
    var table = Table(["MODULE", "CONNECTION", "AUTH", "LAST ACTIVITY", "MANAGED BY"])
    for row in rows {
      table.append([
        Cell(row["moduleId"]?.shown ?? "-", .strong),
        Cell(row["connectionState"]?.shown ?? "-"),
        Cell(row.authenticationName, .plain),
        Cell(ShownTime.text(row["lastActivityTime"]?.stringValue)),
        Cell(row["managedBy"]?.shown ?? "-", .plain),
      ])
    }
    return table
  }
}
