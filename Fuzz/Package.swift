// swift-tools-version: 6.2
import PackageDescription

// One executable per parser of outside bytes: libFuzzer's main, our LLVMFuzzerTestOneInput.
// Build: swift build -c release --package-path Fuzz --sanitize fuzzer
let settings: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

func fuzzer(_ name: String, _ libraries: String...) -> Target {
  .executableTarget(
    name: name,
    dependencies: libraries.map { .product(name: $0, package: "Core") },
    path: "Sources/\(name)",
    swiftSettings: settings
  )
}

/// A target of the root package whose dependencies no fuzzer needs, or those of its files that do
/// without: built from where they lie, through the links in Linked.
func linked(
  _ name: String,
  targets: [String] = [],
  core: [String],
  others: [Target.Dependency] = []
) -> Target {
  .target(
    name: name,
    dependencies: targets.map { .target(name: $0) }
      + core.map { .product(name: $0, package: "Core") } + others,
    path: "Linked/\(name)",
    swiftSettings: settings + [
      .enableUpcomingFeature("InternalImportsByDefault"),
      .enableUpcomingFeature("MemberImportVisibility"),
    ]
  )
}

func fuzzer(_ name: String, of linked: String..., core: String...) -> Target {
  .executableTarget(
    name: name,
    dependencies: linked.map { .target(name: $0) }
      + core.map { .product(name: $0, package: "Core") },
    path: "Sources/\(name)",
    swiftSettings: settings
  )
}

let package = Package(
  name: "Fuzz",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(path: "../Core"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
  ],
  targets: [
    fuzzer("FuzzMQTT", "MQTT", "ByteIO"),
    fuzzer("FuzzAMQP", "AMQPCodec", "ByteIO"),
    .systemLibrary(name: "CProton", path: "Linked/CProton"),
    linked("AMQP", targets: ["CProton"], core: ["AMQPCodec", "ByteIO"]),
    fuzzer("FuzzAMQPConnection", of: "AMQP", core: "AMQPCodec", "ByteIO"),
    fuzzer("FuzzCOSE", "COSE", "ByteIO"),
    fuzzer("FuzzEvidence", "Attestation", "COSE", "ByteIO"),
    fuzzer("FuzzJSON", "JSONTree", "ByteIO"),
    fuzzer("FuzzPropertyBag", "HubContract", "ByteIO"),
    fuzzer("FuzzDigitalTwin", "HubEngine", "HubContract", "JSONTree", "Simulation"),
    fuzzer("FuzzSAS", "HubContract", "ByteIO"),
    fuzzer("FuzzProvisioning", "HubContract", "ProvisioningEngine", "JSONTree"),
    fuzzer("FuzzBlob", "HubContract", "ByteIO"),
    fuzzer("FuzzQuery", "QueryLanguage", "JSONTree"),
    fuzzer("FuzzEdge", "EdgeEngine", "HubContract", "JSONTree", "ByteIO"),
    fuzzer("FuzzLogRecovery", "MessageLog", "ByteIO", "Simulation"),
    fuzzer("FuzzUpdate", "UpdateEngine", "JSONTree", "ByteIO", "Simulation"),
    linked("Containers", core: ["HubContract", "JSONTree"]),
    fuzzer("FuzzLayer", of: "Containers"),
    fuzzer("FuzzEngine", of: "Containers", core: "JSONTree"),
    linked(
      "Platform",
      core: ["ByteIO", "JSONTree"],
      others: [.product(name: "TOMLKit", package: "TOMLKit")]
    ),
    linked("Endpoints", core: ["ByteIO", "HubContract"]),
    linked(
      "EdgeService",
      targets: ["Endpoints", "Platform"],
      core: ["ByteIO", "EdgeEngine", "HubContract", "JSONTree"]
    ),
    fuzzer("FuzzWorkload", of: "EdgeService", "Endpoints", "Platform", core: "JSONTree"),
    fuzzer("FuzzSettings", of: "EdgeService", "Platform", core: "HubContract", "JSONTree"),
  ]
)
