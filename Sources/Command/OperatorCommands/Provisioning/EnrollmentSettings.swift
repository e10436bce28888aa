import ArgumentParser
import JSONTree

/// What happens when an assigned device registers again.
enum Reprovisioning: String, ExpressibleByArgument, CaseIterable {
  case keep
  case reset
  case never

  /// The hub's form of it (contract §6.7).
  var json: JSONValue {
    switch self {
    case .keep: ["updateHubAssignment": true, "migrateDeviceData": true]
    case .reset: ["updateHubAssignment": true, "migrateDeviceData": false]
    case .never: ["updateHubAssignment": false, "migrateDeviceData": false]
    }
  }

  /// The word for the hub's form of it; nil for none of the three.
  init?(_ json: JSONValue?) {
    let found = Self.allCases.first { choice in
      ["updateHubAssignment", "migrateDeviceData"].allSatisfy {
        (json?[$0]?.boolValue ?? true) == choice.json[$0]?.boolValue
      }
    }
    guard let found else { return nil }
    self = found
  }
}

/// How a hub is chosen, as far as this service can do it.
enum AllocationChoice: String, ExpressibleByArgument, CaseIterable {
  case hashed
  case geoLatency
  case `static`
}

/// The options of both kinds of enrollments, for a new one and for a change.
struct EnrollmentSettings: ParsableArguments {
  @Flag(exclusivity: .exclusive, help: "Whether devices may register.")
  var status: Status?

  @Flag(inversion: .prefixedNo, help: "Whether devices become edge devices.")
  var edge: Bool?

  @Option(help: ArgumentHelp("Tags that a twin begins with: JSON, @FILE or -.", valueName: "json"))
  var tags: String?

  @Option(
    help: ArgumentHelp("Desired properties that it begins with, likewise.", valueName: "json")
  )
  var desired: String?

  @Option(
    help: ArgumentHelp(
      "When an assigned device registers again: choose its hub anew and keep its twin (the "
        + "default), reset the twin where the hub changes, or never choose anew."
    )
  )
  var reprovision: Reprovisioning?

  @Option(help: "How a hub is chosen.")
  var allocation: AllocationChoice?

  @Option(
    name: .customLong("hub"),
    help: ArgumentHelp("A hub to choose among; give it again for more.", valueName: "host")
  )
  var hubs: [String] = []

  @Option(
    help: ArgumentHelp(
      "Issue certificates to devices that send a signing request: internal is the hub's authority.",
      valueName: "authority"
    )
  )
  var issuer: String?

  @Option(
    help: ArgumentHelp(
      "Members of the enrollment for which there is no option: JSON, @FILE or -.",
      valueName: "json"
    )
  )
  var body: String?

  /// `--enabled` or `--disabled`.
  enum Status: String, EnumerableFlag {
    case enabled
    case disabled
  }

  /// The options' names, for messages.
  static let names = [
    "--enabled or --disabled", "--edge or --no-edge", "--tags", "--desired", "--reprovision",
    "--allocation", "--hub", "--issuer", "--body",
  ]

  /// Whether nothing was said.
  var isEmpty: Bool {
    status == nil && edge == nil && tags == nil && desired == nil && reprovision == nil
      && allocation == nil && hubs.isEmpty && issuer == nil && body == nil
  }

  /// Puts what was said into an enrollment; options win over `--body`.
  func apply(to enrollment: inout JSONObject) throws(CommandFailure) {
    if let body {
      let members = try InputText.object(body, option: "--body").objectValue ?? [:]
      for member in members { enrollment[member.key] = member.value }
    }
    if let status { enrollment["provisioningStatus"] = .string(status.rawValue) }
    if let edge { enrollment["capabilities"] = ["iotEdge": .bool(edge)] }
    if let reprovision { enrollment["reprovisionPolicy"] = reprovision.json }
    if let allocation { enrollment["allocationPolicy"] = .string(allocation.rawValue) }
    if !hubs.isEmpty { enrollment["iotHubs"] = .array(hubs.map { .string($0) }) }
    if let issuer {
      enrollment["clientCertificateIssuancePolicy"] = ["certificateAuthorityName": .string(issuer)]
    }
    guard tags != nil || desired != nil else { return }
    var twin = enrollment["initialTwin"]?.objectValue ?? [:]
    if let tags { twin["tags"] = try InputText.object(tags, option: "--tags") }
    if let desired {
      twin["properties"] = ["desired": try InputText.object(desired, option: "--desired")]
    }
    enrollment["initialTwin"] = .object(twin)
  }
}
