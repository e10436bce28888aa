import HubContract
package import JSONTree

/// A module of this device as the identity calls show it (contract §4.6).
package struct ModuleIdentityRecord: Equatable, Sendable {
  package let moduleID: String
  /// Distinct for every creation of the same ID.
  package let generationID: String
  /// Who manages it, empty for nobody.
  package let managedBy: String

  package init(moduleID: String, generationID: String, managedBy: String) {
    self.moduleID = moduleID
    self.generationID = generationID
    self.managedBy = managedBy
  }

  /// Reads what `json` or the hub's registry wrote, nil if it is no module.
  package init?(json: JSONValue) {
    guard let moduleID = json["moduleId"]?.stringValue, ModuleID.isValid(moduleID),
      let generationID = json["generationId"]?.stringValue, !generationID.isEmpty,
      generationID.utf8.count <= 128
    else { return nil }
    self.init(
      moduleID: moduleID,
      generationID: generationID,
      managedBy: json["managedBy"]?.stringValue ?? ""
    )
  }

  /// The module in an answer.
  package var json: JSONValue {
    [
      "moduleId": .string(moduleID), "managedBy": .string(managedBy),
      "generationId": .string(generationID), "authType": "Sas",
    ]
  }
}
