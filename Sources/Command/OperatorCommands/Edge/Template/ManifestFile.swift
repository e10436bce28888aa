import JSONTree
import Platform

/// A manifest or template in a file, with what lies beside it.
struct ManifestFile {
  /// The manifest, with nothing left to replace.
  let manifest: DeploymentManifest
  /// The folder that the file is in, from the root on.
  let directory: String
  /// Folders of modules that placeholders named, by the modules' names.
  let folders: [String: String]
  /// What was read of the template's surroundings.
  let sources: DeploymentTemplate.Sources

  /// Reads the file at a path, or the input for a hyphen.
  ///
  /// The environment wins over `.env` beside the file.
  static func read(
    _ path: String,
    platform: String?,
    _ console: Console = .current
  ) throws(CommandFailure) -> ManifestFile {
    let bytes: [UInt8]
    do {
      bytes = path == "-" ? try console.readInput() : try console.readFile(path)
    } catch {
      throw CommandFailure(.file(error), "\(error)")
    }
    let value: JSONValue
    do throws(JSONFault) {
      value = try JSON.parse(bytes)
    } catch {
      throw CommandFailure(.usage, "\(path) is no JSON: \(error)")
    }
    let whole = AbsolutePath.of(path == "-" ? "./-" : path)
    let directory = whole.lastIndex(of: "/").map { String(whole[..<$0]) } ?? "/"
    var variables: [String: String] = [:]
    let file = directory + "/.env"
    if let bytes = try? console.readFile(file) {
      do throws(TemplateFault) {
        variables = try EnvironmentFile.read(String(decoding: bytes, as: UTF8.self))
      } catch {
        throw error.inFile(file)
      }
    }
    variables.merge(console.environment) { _, environment in environment }
    let sources = DeploymentTemplate.Sources(
      platform: platform ?? variables["DEFAULT_PLATFORM"] ?? "amd64",
      variables: variables
    ) { try? console.readFile("\(directory)/\($0)") }
    do throws(TemplateFault) {
      let template = try DeploymentTemplate(value, sources)
      return ManifestFile(
        manifest: template.manifest,
        directory: directory,
        folders: template.folders,
        sources: sources
      )
    } catch {
      throw error.inFile(path)
    }
  }
}
