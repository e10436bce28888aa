import HubContract
import JSONTree

/// Shows enrollments and registrations to people.
enum EnrollmentSheet {
  /// All facts about one; keys only if they are in it.
  static func facts(_ enrollment: JSONValue) -> FactSheet {
    var sheet = FactSheet()
    func text(_ name: String) -> String? { enrollment[name]?.stringValue }
    sheet.append("registration", text("registrationId"))
    sheet.append("group", text("enrollmentGroupId"))
    sheet.append("status", text("provisioningStatus"))
    sheet.append("device", text("deviceId"))
    attestation(enrollment["attestation"], &sheet)
    if enrollment[path: ["capabilities", "iotEdge"]]?.boolValue == true {
      sheet.append("edge device", "yes", .plain)
    }
    for leaf in enrollment[path: ["initialTwin", "tags"]]?.leaves() ?? [] {
      sheet.append("tags.\(Cell.visible(leaf.name))", leaf.value.shown, .plain)
    }
    for leaf in enrollment[path: ["initialTwin", "properties", "desired"]]?.leaves() ?? [] {
      sheet.append("desired.\(Cell.visible(leaf.name))", leaf.value.shown, .plain)
    }
    let policy = enrollment["reprovisionPolicy"]
    sheet.append("reprovision", policy.map { Reprovisioning($0)?.rawValue ?? $0.shown })
    sheet.append("allocation", text("allocationPolicy"))
    let hubs = (enrollment["iotHubs"]?.arrayValue ?? []).map(\.shown)
    sheet.append("hubs", hubs.isEmpty ? text("iotHubHostName") : hubs.joined(separator: ", "))
    sheet.append("created", text("createdDateTimeUtc").map(ShownTime.text))
    sheet.append("changed", text("lastUpdatedDateTimeUtc").map(ShownTime.text))
    sheet.append("etag", text("etag"))
    registration(enrollment["registrationState"], &sheet)
    return sheet
  }

  private static func attestation(_ attestation: JSONValue?, _ sheet: inout FactSheet) {
    sheet.append("attestation", Self.word(attestation), .plain)
    let slots = [("primary", ""), ("secondary", "next ")]
    for (slot, prefix) in slots {
      sheet.append("\(slot) key", attestation?[path: ["symmetricKey", "\(slot)Key"]]?.stringValue)
      let x509 = attestation?["x509"]
      sheet.append("\(prefix)authority", x509?[path: ["caReferences", slot]]?.stringValue)
      let certificate =
        x509?[path: ["clientCertificates", slot, "info"]]
        ?? x509?[path: ["signingCertificates", slot, "info"]]
      sheet.append("\(prefix)certificate", certificate?["subjectName"]?.stringValue)
      sheet.append("\(prefix)thumbprint", certificate?["sha256Thumbprint"]?.stringValue)
      let expiry = certificate?["notAfterUtc"]?.stringValue
      sheet.append("\(prefix)certificate ends", expiry.map(ShownTime.text))
    }
  }

  /// The way in which devices prove themselves, in a word or two.
  private static func word(_ attestation: JSONValue?) -> String {
    switch attestation?["type"]?.stringValue {
    case "symmetricKey"?: "keys"
    case "x509"?:
      if attestation?[path: ["x509", "clientCertificates"]]?.objectValue != nil {
        "certificate"
      } else if attestation?[path: ["x509", "signingCertificates"]]?.objectValue != nil {
        "signing certificate"
      } else {
        "authority"
      }
    case let other: other ?? "-"
    }
  }

  /// A list of them.
  static func table(_ rows: [JSONValue], _ terms: EnrollmentTerms) -> Table {
    let isGroup = terms.idMember == EnrollmentTerms.group.idMember
    var table = Table(
      [isGroup ? "GROUP" : "REGISTRATION", "STATUS", "ATTESTATION"] + (isGroup ? [] : ["DEVICE"])
        + ["CHANGED"]
    )
    for row in rows {
      var cells = [
        Cell(row[terms.idMember]?.shown ?? "-", .strong),
        Cell(row["provisioningStatus"]?.shown ?? "-"), Cell(word(row["attestation"]), .plain),
      ]
      if !isGroup { cells.append(Cell(row["deviceId"]?.shown ?? "-", .plain)) }
      cells.append(Cell(ShownTime.text(row["lastUpdatedDateTimeUtc"]?.stringValue), .plain))
      table.append(cells)
    }
    return table
  }

  /// How far one registration is.
  static func registration(_ state: JSONValue) -> FactSheet {
    var sheet = FactSheet()
    sheet.append("registration", state["registrationId"]?.stringValue)
    registration(state, &sheet)
    sheet.append("etag", state["etag"]?.stringValue)
    return sheet
  }

  private static func registration(_ state: JSONValue?, _ sheet: inout FactSheet) {
    guard let state, state.objectValue != nil else { return }
    sheet.append("registered", state["createdDateTimeUtc"]?.stringValue.map(ShownTime.text))
    let words = [state["status"], state["substatus"]].compactMap { $0?.stringValue }
    sheet.append("result", words.joined(separator: ", "), .plain)
    sheet.append("assigned hub", state["assignedHub"]?.stringValue)
    sheet.append("assigned device", state["deviceId"]?.stringValue)
    sheet.append("at", state["lastUpdatedDateTimeUtc"]?.stringValue.map(ShownTime.text))
    let error = [state["errorCode"], state["errorMessage"]].compactMap { $0?.shown }
    sheet.append("error", error.isEmpty ? nil : error.joined(separator: ": "), .bad)
  }

  /// A list of a group's registrations.
  static func registrations(_ rows: [JSONValue]) -> Table {
    var table = Table(["REGISTRATION", "RESULT", "DEVICE", "HUB", "CHANGED"])
    for row in rows {
      table.append([
        Cell(row["registrationId"]?.shown ?? "-", .strong),
        Cell(row["status"]?.shown ?? "-"), Cell(row["deviceId"]?.shown ?? "-", .plain),
        Cell(row["assignedHub"]?.shown ?? "-", .plain),
        Cell(ShownTime.text(row["lastUpdatedDateTimeUtc"]?.stringValue), .plain),
      ])
    }
    return table
  }
}
