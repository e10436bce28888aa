/// The files of a new module in Swift, on the library `OrreryModule`.
package struct SwiftModule: ModuleProject {
  let name: String
  let repository: String
  /// The Orrery package, as the manifest names it.
  let package: String

  /// Where the package is looked for if nobody names a place: a checkout, or a link to one.
  static let defaultPackage = "orrery"

  var files: [(name: String, text: String)] {
    [
      ("Package.swift", manifest), ("Sources/\(name)/main.swift", Self.main),
      ("Sources/\(name)/Rules.swift", Self.rules), ("Tests/RulesTests.swift", Self.test),
      ("Dockerfile.amd64", dockerfile), (".dockerignore", "*\n!bin\n"),
      (".gitignore", ".build/\nbin/\n\(Self.defaultPackage)\n"),
      ("module.json", description(language: "swift", process: ".build/debug/\(name)")),
      ("README.md", readme),
    ]
  }

  /// The place as text of a program.
  private var packageText: String {
    package.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
  }

  /// What the package is called by those that depend on it: the folder's name.
  private var packageName: String {
    (package.split(separator: "/").last.map(String.init) ?? package).lowercased()
  }

  // The program's target has a name of its own: a module's may be a word of the language, or the name
  // of a library.
  private var manifest: String {
    """
    // swift-tools-version: 6.2
    import PackageDescription

    let orrery = Target.Dependency.product(name: "OrreryModule", package: "\(packageName)")

    let package = Package(
      name: "\(name)",
      platforms: [.macOS(.v15)],
      products: [.executable(name: "\(name)", targets: ["Program"])],
      dependencies: [
        // The sources of Orrery: a checkout or a link to one. Another place is as good.
        .package(path: "\(packageText)")
      ],
      targets: [
        .executableTarget(name: "Program", dependencies: [orrery], path: "Sources/\(name)"),
        .testTarget(name: "ProgramTests", dependencies: ["Program", orrery], path: "Tests"),
      ]
    )

    """
  }

  /// The program; `examples/swift/module` is the same, and is built and tested.
  package static let main = #"""
    import OrreryModule

    // Passes what the rules let through from input "input" to output "output". Who this is and where to
    // go is in the variables that the edge gives every module.
    await ModuleClient.main { client in
      let settings = Settings()

      await client.onMethod { call in
        guard call.name == "settings" else {
          return MethodAnswer(status: 404, payload: ["message": .string("there is no \(call.name)")])
        }
        return MethodAnswer(payload: ["threshold": .double(await settings.threshold)])
      }

      // Before the first message: what is wanted of this module.
      await settings.take(try await client.twin().desired.properties)

      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for await desired in client.desiredProperties {
            await settings.take(desired.properties)
            try await client.report(["threshold": .double(await settings.threshold)])
          }
        }
        group.addTask {
          client.log("ready")
          for await message in client.messages where message.input == "input" {
            guard let reading = try? JSON.parse(message.body) else {
              client.log("dropped: no JSON")
              continue
            }
            guard let answer = judge(reading, threshold: await settings.threshold) else { continue }
            // Returns once the local hub has stored it; only then is the message that came acknowledged.
            try await client.send(ModuleMessage(json: answer), to: "output")
            client.log("sent \(JSON.text(answer))")
          }
        }
        // Neither ends before the module does, unless it fails.
        try await group.next()
        group.cancelAll()
      }
    }

    """#

  /// What the program does with a reading; as `examples/swift/module` has it.
  package static let rules = #"""
    import OrreryModule

    /// What the module does with a reading: no network, so that a test needs none.
    ///
    /// - Returns: What is sent for a reading, nil for nothing.
    func judge(_ reading: JSONValue, threshold: Double) -> JSONValue? {
      guard var answer = reading.objectValue, let temperature = answer["temperature"]?.doubleValue,
        temperature > threshold
      else { return nil }
      answer["alert"] = true
      answer["threshold"] = .double(threshold)
      return .object(answer)
    }

    /// What is in force.
    actor Settings {
      private(set) var threshold = 25.0

      /// Takes what is wanted, as far as it makes sense.
      func take(_ desired: JSONObject) {
        if let threshold = desired["threshold"]?.doubleValue { self.threshold = threshold }
      }
    }

    """#

  private static let test = #"""
    import OrreryModule
    import Testing

    @testable import Program

    @Test func `Hot readings pass with an alert`() {
      let answer = judge(["temperature": 31, "machine": 7], threshold: 25)
      let wanted: JSONValue = [
        "temperature": 31, "machine": 7, "alert": true, "threshold": .double(25),
      ]
      #expect(answer == wanted)
    }

    @Test func `Others do not`() {
      let others: [JSONValue] = [
        ["temperature": 25], ["temperature": "hot"], ["temperature": true], [:], [], 3,
      ]
      for reading in others { #expect(judge(reading, threshold: 25) == nil) }
    }

    """#

  private var dockerfile: String {
    """
    # For a program that was built on this machine, which is no newer than the image:
    #   swift build -c release --static-swift-stdlib && install -D -s .build/release/\(name) bin/\(name)
    FROM debian:bookworm-slim
    COPY bin/\(name) /app/\(name)
    USER 1000
    ENTRYPOINT ["/app/\(name)"]

    """
  }

  private var readme: String {
    """
    # \(name)

    An edge module: readings of input `input` that are hotter than `threshold` go to output `output`.

    | | |
    | --- | --- |
    | input `input` | `{"temperature": 31}` |
    | output `output` | the same with `"alert": true` |
    | desired property `threshold` | a number; reported when it is in force |
    | direct method `settings` | what is in force |

    It is built on `OrreryModule`, a library of the Orrery package. `Package.swift` looks for its
    sources in `\(package)`: check them out, or make a link to a checkout.

    ```sh
    swift build
    swift test                               # the rules alone
    orrery edge dev ../../deployment.template.json --processes
    swift build -c release --static-swift-stdlib
    install -D -s .build/release/\(name) bin/\(name)
    docker build -t \(repository):0.1.0-amd64 -f Dockerfile.amd64 .
    ```

    `Rules.swift` is what you change; `main.swift` speaks to the edge.

    """
  }
}
