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

let package = Package(
  name: "Fuzz",
  platforms: [.macOS(.v15)],
  dependencies: [.package(path: "../Core")],
  targets: [
    fuzzer("FuzzMQTT", "MQTT", "ByteIO"),
    fuzzer("FuzzAMQP", "AMQPCodec", "ByteIO"),
    // The connection is of the root package, whose dependencies no fuzzer needs: built from where it
    // lies, through the links in Linked.
    .systemLibrary(name: "CProton", path: "Linked/CProton"),
    .target(
      name: "AMQP",
      dependencies: ["CProton", "AMQPCodec", "ByteIO"].map {
        $0 == "CProton" ? .target(name: $0) : .product(name: $0, package: "Core")
      },
      path: "Linked/AMQP",
      swiftSettings: settings + [
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
      ]
    ),
    .executableTarget(
      name: "FuzzAMQPConnection",
      dependencies: [
        "AMQP", .product(name: "AMQPCodec", package: "Core"),
        .product(name: "ByteIO", package: "Core"),
      ],
      path: "Sources/FuzzAMQPConnection",
      swiftSettings: settings
    ),
    fuzzer("FuzzCOSE", "COSE", "ByteIO"),
    fuzzer("FuzzJSON", "JSONTree", "ByteIO"),
    fuzzer("FuzzPropertyBag", "HubContract", "ByteIO"),
    fuzzer("FuzzDigitalTwin", "HubEngine", "HubContract", "JSONTree", "Simulation"),
    fuzzer("FuzzSAS", "HubContract", "ByteIO"),
    fuzzer("FuzzProvisioning", "HubContract", "ProvisioningEngine", "JSONTree"),
    fuzzer("FuzzBlob", "HubContract", "ByteIO"),
    fuzzer("FuzzQuery", "QueryLanguage", "JSONTree"),
    fuzzer("FuzzEdge", "EdgeEngine", "HubContract", "JSONTree", "ByteIO"),
    fuzzer("FuzzLogRecovery", "MessageLog", "ByteIO", "Simulation"),
  ]
)
