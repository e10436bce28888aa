package import EdgeEngine
import Platform

/// Which images must be signed (`[image_signatures]`), and how registries are reached
/// (`[image_registries]`); ours.
package struct ImageSettings: Equatable, Sendable {
  /// The rules; their keys are files.
  package let rules: [SignaturePolicy.Rule]
  /// Registries that speak no TLS.
  package let plainHosts: Set<String>
  /// A PEM file with authorities of registries, besides those that are trusted anyway; nil for none.
  package let authorities: String?

  init(signatures: SettingsTable?, registries: SettingsTable?) throws(SettingsFault) {
    var rules: [SignaturePolicy.Rule] = []
    for name in signatures?.names.sorted() ?? [] {
      guard let signatures, let table = try signatures.table(name) else { continue }
      rules.append(try Self.rule(name, table, in: signatures))
    }
    self.rules = rules
    try registries?.refuse(otherThan: ["plain_http", "ca_cert"])
    plainHosts = Set(try registries?.texts("plain_http") ?? [])
    authorities = try registries?.path("ca_cert")
  }

  private static func rule(
    _ name: String,
    _ table: SettingsTable,
    in signatures: SettingsTable
  ) throws(SettingsFault) -> SignaturePolicy.Rule {
    // What every image below it would be called.
    guard name == SignaturePolicy.everything || ImageReference(name + "/x")?.registry != nil else {
      throw signatures.fault(
        name,
        "is no registry, and no beginning of the names of images",
        remedy:
          "Write it in quotation marks, such as [image_signatures.\"registry.example/team\"], "
          + "or [image_signatures.\"*\"] for all images."
      )
    }
    try table.refuse(otherThan: ["require", "keys", "any_name"])
    let isRequired = try table.flag("require") ?? true
    var keys: [String] = []
    for key in try table.texts("keys") { keys.append(try table.path("keys", key)) }
    guard !isRequired || !keys.isEmpty else {
      throw table.fault(
        "keys",
        "is missing",
        remedy: "Name files with the public keys of those who may sign, such as cosign.pub, or say "
          + "require = false."
      )
    }
    return SignaturePolicy.Rule(
      name: name,
      isRequired: isRequired,
      keys: keys,
      checksName: try table.flag("any_name") != true
    )
  }
}
