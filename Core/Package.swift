// swift-tools-version: 6.2
import PackageDescription

// The Wire and Engine rings: no dependency, no Foundation, no clock, no file, no socket. Everything
// that is hard to get right lives here, where it can be simulated, fuzzed and tested in seconds.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableExperimentalFeature("Lifetimes"),
  .treatAllWarnings(as: .error),
  .strictMemorySafety(),
]

func source(_ ring: String, _ name: String, _ dependencies: [String]) -> Target {
  .target(
    name: name,
    dependencies: dependencies.map { .init(stringLiteral: $0) },
    path: "Sources/\(ring)\(name)",
    swiftSettings: settings,
    linkerSettings: mathematics.contains(name) ? [.linkedLibrary("m")] : nil
  )
}

// The query language's arithmetic compiles to calls of the C mathematics library.
let mathematics = ["QueryLanguage"]

func wire(_ name: String, _ dependencies: String...) -> Target {
  source("Wire/", name, dependencies)
}

func engine(_ name: String, _ dependencies: String...) -> Target {
  source("Engine/", name, dependencies)
}

func tests(_ name: String, _ dependencies: String...) -> Target {
  .testTarget(
    name: name,
    dependencies: dependencies.map { .init(stringLiteral: $0) },
    path: "Tests/\(name)",
    swiftSettings: settings
  )
}

let libraries = [
  "ByteIO", "JSONTree", "MQTT", "AMQPCodec", "COSE", "HubContract", "QueryLanguage", "MessageLog",
  "HubEngine", "ProvisioningEngine", "EdgeEngine", "UpdateEngine", "Attestation", "Simulation",
]

let package = Package(
  name: "Core",
  platforms: [.macOS(.v15)],
  products: libraries.map { .library(name: $0, targets: [$0]) },
  targets: [
    wire("ByteIO"),
    wire("JSONTree", "ByteIO"),
    wire("MQTT", "ByteIO"),
    wire("AMQPCodec", "ByteIO"),
    wire("COSE", "ByteIO"),
    wire("HubContract", "ByteIO", "JSONTree"),
    wire("QueryLanguage", "ByteIO", "JSONTree"),
    engine("MessageLog", "ByteIO"),
    engine("Attestation", "COSE", "ByteIO"),
    engine("HubEngine", "ByteIO", "JSONTree", "HubContract", "QueryLanguage"),
    engine("ProvisioningEngine", "ByteIO", "JSONTree", "HubContract", "HubEngine"),
    engine("EdgeEngine", "ByteIO", "JSONTree", "HubContract", "QueryLanguage", "MessageLog"),
    engine("UpdateEngine", "ByteIO", "JSONTree"),
    source(
      "",
      "Simulation",
      [
        "ByteIO", "JSONTree", "MQTT", "HubContract", "MessageLog", "HubEngine",
        "ProvisioningEngine", "EdgeEngine", "UpdateEngine", "QueryLanguage",
      ]
    ),
    tests("ByteIOTests", "ByteIO"),
    tests("JSONTreeTests", "JSONTree", "ByteIO"),
    tests("MQTTTests", "MQTT", "ByteIO"),
    tests("AMQPCodecTests", "AMQPCodec", "ByteIO"),
    tests("COSETests", "COSE", "ByteIO"),
    tests("HubContractTests", "HubContract", "JSONTree", "ByteIO"),
    tests("QueryLanguageTests", "QueryLanguage", "JSONTree", "ByteIO"),
    tests("AttestationTests", "Attestation", "COSE", "ByteIO"),
    tests("MessageLogTests", "MessageLog", "ByteIO", "Simulation"),
    tests(
      "HubEngineTests",
      "HubEngine",
      "HubContract",
      "JSONTree",
      "ByteIO",
      "QueryLanguage",
      "Simulation"
    ),
    tests(
      "ProvisioningEngineTests",
      "ProvisioningEngine",
      "HubEngine",
      "HubContract",
      "JSONTree",
      "ByteIO",
      "Simulation"
    ),
    tests(
      "EdgeEngineTests",
      "EdgeEngine",
      "HubContract",
      "QueryLanguage",
      "JSONTree",
      "ByteIO",
      "MessageLog",
      "Simulation"
    ),
    tests("UpdateEngineTests", "UpdateEngine", "JSONTree", "ByteIO", "MessageLog", "Simulation"),
    tests(
      "ScenarioTests",
      "Simulation",
      "HubEngine",
      "EdgeEngine",
      "QueryLanguage",
      "MessageLog",
      "HubContract",
      "JSONTree",
      "MQTT",
      "ByteIO"
    ),
    tests("TidyTests"),
  ]
)
