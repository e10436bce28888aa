package import EdgeEngine
package import JSONTree

/// What runs modules on this machine: an engine of containers, or this program itself.
///
/// All of it may be called at any time and from several tasks at once. What fails throws a
/// `RuntimeFault`, whose text is for the person who deployed the module.
package protocol ModuleRuntime: Sendable {
  /// All modules that this runtime has, those that do not run among them.
  func modules() async throws -> [ModuleObservation]

  /// Fetches an image, and tells now and then how far it is.
  func pull(
    _ source: ImageSource,
    progress: @escaping @Sendable (PullProgress) -> Void
  ) async throws

  /// The image of a name, with tag or digest, or of a hash, if it is on this machine.
  func image(_ name: String) async throws -> StoredImage?

  /// Makes a module that does not exist, and does not start it.
  func create(_ name: String, _ body: ContainerBody) async throws

  /// Starts a module; one that runs goes on.
  func start(_ name: String) async throws

  /// Asks a module to end, and ends it after so many seconds; one that does not run stays as it is.
  func stop(_ name: String, within seconds: Int64) async throws

  /// Removes a module with what it has written; one that runs is ended. None is no fault.
  func remove(_ name: String) async throws

  /// Hands what a module has written to `sink`, oldest first; with `follow` until the task is
  /// cancelled or the module ends.
  func logs(
    of name: String,
    _ query: LogQuery,
    to sink: (LogChunk) async throws -> Void
  ) async throws

  /// What a running module uses.
  func usage(of name: String) async throws -> ModuleUsage

  /// Everything that the runtime knows of a module, for support.
  func inspect(_ name: String) async throws -> JSONValue

  /// All images on this machine.
  func images() async throws -> [StoredImage]

  /// Removes an image that no module uses.
  func removeImage(_ id: String) async throws

  /// What this runtime is.
  func platform() async throws -> RuntimePlatform
}

/// An image on this machine.
package struct StoredImage: Equatable, Sendable {
  /// The image's own hash.
  package let id: String
  /// The names that lead to it, with tag or digest.
  package let names: [String]
  /// How much room it takes, in bytes.
  package let byteCount: Int64

  package init(id: String, names: [String], byteCount: Int64) {
    (self.id, self.names, self.byteCount) = (id, names, byteCount)
  }

  /// The digests that the image has in a repository: what registries know it by.
  package func digests(in reference: ImageReference) -> [String] {
    names.compactMap { ImageReference($0) }
      .filter { $0.canonicalName == reference.canonicalName }
      .compactMap(\.digest)
  }
}

/// What a module uses of the machine; what a runtime cannot tell is nil.
package struct ModuleUsage: Equatable, Sendable {
  /// Memory, in bytes.
  package var memoryBytes: Int64?
  /// The most memory that it may have, in bytes.
  package var memoryLimitBytes: Int64?
  /// Time on all processors since its start, in nanoseconds.
  package var processorNanoseconds: Int64?
  /// Its processes.
  package var processCount: Int64?
  /// What it received and sent, in bytes.
  package var networkInBytes, networkOutBytes: Int64?
  /// What it read from and wrote to disks, in bytes.
  package var diskReadBytes, diskWriteBytes: Int64?

  package init() {}
}
