// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "routes",
  platforms: [.macOS(.v15)],
  dependencies: [.package(path: "../../Core")],
  targets: [
    .executableTarget(
      name: "routes",
      dependencies: [
        .product(name: "EdgeEngine", package: "Core"),
        .product(name: "HubContract", package: "Core"),
      ]
    )
  ]
)
