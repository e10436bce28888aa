// swift-tools-version: 6.2
import PackageDescription

// Language mode 6 comes with the tools version. The features below make imports and existentials
// say what they are; see docs/ARCHITECTURE.md, "How the packages are built".
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

func core(_ name: String) -> Target.Dependency { .product(name: name, package: "Core") }

let package = Package(
  name: "Orrery",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "orrery", targets: ["orrery"]),
    .executable(name: "orrery-edge", targets: ["orrery-edge"]),
    .library(name: "OrreryModule", targets: ["OrreryModule"]),
  ],
  dependencies: [
    .package(path: "Core"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
  ],
  targets: [
    .target(name: "CLinux", path: "Sources/Platform/CLinux"),
    .target(
      name: "Platform",
      dependencies: [
        "CLinux",
        core("ByteIO"), core("JSONTree"), core("HubContract"), core("MessageLog"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "CryptoExtras", package: "swift-crypto"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "TOMLKit", package: "TOMLKit"),
      ],
      path: "Sources/Platform/Platform",
      swiftSettings: settings
    ),
    .target(
      name: "Endpoints",
      dependencies: [
        "Platform",
        core("JSONTree"), core("ByteIO"), core("MQTT"), core("HubContract"), core("MessageLog"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      path: "Sources/Platform/Endpoints",
      swiftSettings: settings
    ),
    .systemLibrary(
      name: "CProton",
      path: "Sources/Platform/CProton",
      providers: [.apt(["libqpid-proton11-dev"])]
    ),
    .systemLibrary(
      name: "CZlib",
      path: "Sources/Platform/CZlib",
      providers: [.apt(["zlib1g-dev"])]
    ),
    .target(
      name: "AMQP",
      dependencies: ["CProton", core("AMQPCodec"), core("ByteIO")],
      path: "Sources/Platform/AMQP",
      swiftSettings: settings
    ),
    .target(
      name: "AMQPEndpoints",
      dependencies: [
        "AMQP", "Endpoints", "Platform",
        core("AMQPCodec"), core("ByteIO"), core("HubContract"), core("MessageLog"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      path: "Sources/Platform/AMQPEndpoints",
      swiftSettings: settings
    ),
    .target(
      name: "Containers",
      dependencies: [
        "Platform", "CLinux", "CZlib",
        core("ByteIO"), core("JSONTree"), core("HubContract"), core("EdgeEngine"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/Platform/Containers",
      swiftSettings: settings
    ),
    .target(
      name: "HubService",
      dependencies: [
        "Platform", "Endpoints", "AMQP", "AMQPEndpoints",
        core("ByteIO"), core("JSONTree"), core("MQTT"), core("AMQPCodec"), core("HubContract"),
        core("MessageLog"), core("HubEngine"), core("ProvisioningEngine"), core("QueryLanguage"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      path: "Sources/Service/HubService",
      swiftSettings: settings
    ),
    .target(
      name: "EdgeService",
      dependencies: [
        "Platform", "Endpoints", "AMQPEndpoints", "Containers", "CLinux",
        core("ByteIO"), core("JSONTree"), core("MQTT"), core("AMQPCodec"), core("HubContract"),
        core("MessageLog"), core("EdgeEngine"), core("QueryLanguage"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      path: "Sources/Service/EdgeService",
      swiftSettings: settings
    ),
    .target(
      name: "OrreryModule",
      dependencies: [
        "Platform", "Endpoints",
        core("ByteIO"), core("JSONTree"), core("MQTT"), core("HubContract"), core("EdgeEngine"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      path: "Sources/Module/OrreryModule",
      swiftSettings: settings
    ),
    .executableTarget(
      name: "OrreryModuleExample",
      dependencies: ["OrreryModule"],
      path: "examples/swift/module",
      swiftSettings: settings
    ),
    .target(
      name: "OperatorCommands",
      dependencies: [
        "Platform", "Endpoints", "Containers", "CLinux",
        core("ByteIO"), core("JSONTree"), core("MQTT"), core("HubContract"), core("EdgeEngine"),
        core("Simulation"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      path: "Sources/Command/OperatorCommands",
      swiftSettings: settings
    ),
    .executableTarget(
      name: "orrery",
      dependencies: [
        "Platform", "Endpoints", "HubService", "OperatorCommands",
        core("ByteIO"), core("JSONTree"), core("MQTT"), core("HubContract"), core("HubEngine"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "NIOFoundationCompat", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      path: "Sources/Command/orrery",
      swiftSettings: settings
    ),
    .executableTarget(
      name: "orrery-edge",
      dependencies: [
        "Platform", "Endpoints", "Containers", "EdgeService", "OperatorCommands", "CLinux",
        core("ByteIO"), core("JSONTree"), core("HubContract"), core("EdgeEngine"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      path: "Sources/Command/orrery-edge",
      swiftSettings: settings
    ),
    .testTarget(
      name: "PlatformTests",
      dependencies: [
        "Platform", core("ByteIO"), core("MessageLog"),
        .product(name: "CoreMetrics", package: "swift-metrics"),
      ],
      path: "Tests/PlatformTests",
      swiftSettings: settings
    ),
    .testTarget(
      name: "AMQPTests",
      dependencies: ["AMQP", core("AMQPCodec"), core("ByteIO")],
      path: "Tests/AMQPTests",
      swiftSettings: settings
    ),
    .testTarget(
      name: "HubServiceTests",
      dependencies: [
        "HubService", "Endpoints", "Platform", "AMQP", "AMQPEndpoints",
        core("ByteIO"), core("JSONTree"), core("MQTT"), core("AMQPCodec"), core("HubContract"),
        core("HubEngine"), core("MessageLog"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/HubServiceTests",
      swiftSettings: settings
    ),
    .testTarget(
      name: "ContainersTests",
      dependencies: [
        "Containers", "Platform",
        core("ByteIO"), core("JSONTree"), core("HubContract"), core("EdgeEngine"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/ContainersTests",
      swiftSettings: settings
    ),
    .testTarget(
      name: "OrreryModuleTests",
      dependencies: ["OrreryModule", core("HubContract"), core("JSONTree")],
      path: "Tests/OrreryModuleTests",
      swiftSettings: settings
    ),
    .testTarget(
      name: "EdgeServiceTests",
      dependencies: [
        "EdgeService", "Containers", "Endpoints", "Platform", "AMQP",
        core("ByteIO"), core("JSONTree"), core("MQTT"), core("HubContract"), core("MessageLog"),
        core("EdgeEngine"), core("QueryLanguage"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/EdgeServiceTests",
      swiftSettings: settings
    ),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "OperatorCommands", "HubService", "Platform",
        core("ByteIO"), core("JSONTree"), core("HubContract"), core("HubEngine"),
        core("EdgeEngine"), core("Simulation"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/CommandTests",
      swiftSettings: settings
    ),
  ]
)
