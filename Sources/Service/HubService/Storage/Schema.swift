import GRDB
import Platform

/// The tables of the registry database and how each released version becomes the next.
///
/// IDs compare by their bytes (SQLite's BINARY), which is the order the rules ask for. A device's
/// own rows have an empty module.
enum Schema {
  static func migrator() -> DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 registry") { database in
      try database.execute(sql: registry)
    }
    migrator.registerMigration("2 children of edge devices") { database in
      try database.execute(sql: children)
    }
    migrator.registerMigration("3 twin properties") { database in
      try database.execute(sql: twinProperties)
      try SQLiteStorage(database: database).listProperties()
    }
    migrator.registerMigration("4 time of creation") { database in
      try database.execute(sql: creation)
      try database.execute(
        sql: "INSERT INTO creation (milliseconds) VALUES (?)",
        arguments: [SystemClock.wallMilliseconds()]
      )
    }
    migrator.registerMigration("5 configurations and jobs") { database in
      try database.execute(sql: fleet)
    }
    migrator.registerMigration("6 outgoing events") { database in
      try database.execute(sql: outgoingEvents)
    }
    migrator.registerMigration("7 files") { database in
      try database.execute(sql: files)
    }
    migrator.registerMigration("8 exports and imports") { database in
      try database.execute(sql: transfers)
    }
    return migrator
  }

  /// One row: when this registry was made, in milliseconds since 1970; one that is older than the table
  /// has the time of the migration.
  private static let creation = """
    CREATE TABLE creation (milliseconds INTEGER NOT NULL) STRICT;
    """

  /// The hub's own events that are not in the log yet.
  private static let outgoingEvents = """
    CREATE TABLE outgoing_event (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, record BLOB NOT NULL
    ) STRICT;
    """

  /// Most devices have no parent, and take no room in it.
  private static let children = """
    CREATE INDEX device_parents ON device (parents, id) WHERE parents <> '[]';
    """

  private static let registry = """
    CREATE TABLE device (
      id TEXT NOT NULL PRIMARY KEY, generation TEXT NOT NULL, etag INTEGER NOT NULL,
      disabled INTEGER NOT NULL, reason TEXT, status_time INTEGER NOT NULL,
      authentication TEXT NOT NULL, first TEXT, second TEXT,
      edge INTEGER NOT NULL, scope TEXT, parents TEXT NOT NULL
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE statistics (
      disabled INTEGER NOT NULL PRIMARY KEY, count INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
    INSERT INTO statistics VALUES (0, 0), (1, 0);
    CREATE TRIGGER device_inserted AFTER INSERT ON device BEGIN
      UPDATE statistics SET count = count + 1 WHERE disabled = NEW.disabled;
    END;
    CREATE TRIGGER device_deleted AFTER DELETE ON device BEGIN
      UPDATE statistics SET count = count - 1 WHERE disabled = OLD.disabled;
    END;
    CREATE TRIGGER device_updated AFTER UPDATE OF disabled ON device
    WHEN NEW.disabled <> OLD.disabled BEGIN
      UPDATE statistics SET count = count - 1 WHERE disabled = OLD.disabled;
      UPDATE statistics SET count = count + 1 WHERE disabled = NEW.disabled;
    END;
    CREATE TABLE module (
      device TEXT NOT NULL, id TEXT NOT NULL, generation TEXT NOT NULL, etag INTEGER NOT NULL,
      authentication TEXT NOT NULL, first TEXT, second TEXT, managed_by TEXT,
      PRIMARY KEY (device, id)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE twin (
      device TEXT NOT NULL, module TEXT NOT NULL, etag INTEGER NOT NULL, version INTEGER NOT NULL,
      tags BLOB NOT NULL, desired BLOB NOT NULL, desired_metadata BLOB NOT NULL,
      desired_version INTEGER NOT NULL, reported BLOB NOT NULL, reported_metadata BLOB NOT NULL,
      reported_version INTEGER NOT NULL, model TEXT, PRIMARY KEY (device, module)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE connection (
      device TEXT NOT NULL, module TEXT NOT NULL, state_time INTEGER NOT NULL,
      activity_time INTEGER NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (device, module)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE subscription (
      device TEXT NOT NULL, module TEXT NOT NULL, filters TEXT NOT NULL,
      PRIMARY KEY (device, module)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE cloud_to_device (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, message TEXT,
      acknowledgement TEXT NOT NULL, enqueued INTEGER NOT NULL, expiry INTEGER NOT NULL,
      properties BLOB NOT NULL, body BLOB NOT NULL, deliveries INTEGER NOT NULL,
      token BLOB, holder INTEGER, until INTEGER
    ) STRICT;
    CREATE INDEX cloud_to_device_queue ON cloud_to_device (device, sequence);
    CREATE INDEX cloud_to_device_expiry ON cloud_to_device (expiry) WHERE token IS NULL;
    CREATE INDEX cloud_to_device_until ON cloud_to_device (until) WHERE until IS NOT NULL;
    CREATE INDEX cloud_to_device_held ON cloud_to_device (device, holder) WHERE token IS NOT NULL;
    CREATE TABLE feedback (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT, message TEXT NOT NULL, enqueued INTEGER NOT NULL,
      status TEXT NOT NULL, device TEXT NOT NULL, generation TEXT NOT NULL
    ) STRICT;
    CREATE TABLE policy (
      name TEXT NOT NULL PRIMARY KEY, rights INTEGER NOT NULL, first TEXT NOT NULL,
      second TEXT NOT NULL
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE authority (
      name TEXT NOT NULL PRIMARY KEY, subject TEXT NOT NULL, thumbprint TEXT NOT NULL,
      certificate BLOB NOT NULL, expiry INTEGER NOT NULL, created INTEGER NOT NULL,
      updated INTEGER NOT NULL, verified INTEGER NOT NULL, code TEXT, etag INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE counter (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)
      WITHOUT ROWID, STRICT;
    """

  /// Which twins have which property: found by `PropertyFingerprint`, in the order of their keys.
  private static let twinProperties = """
    CREATE TABLE twin_property (
      fingerprint INTEGER NOT NULL, device TEXT NOT NULL, module TEXT NOT NULL,
      PRIMARY KEY (fingerprint, device, module)
    ) WITHOUT ROWID, STRICT;
    """

  /// Configurations, what they have done to twins, jobs, and each device's part in them.
  ///
  /// `configuration_target` lists the twins in whose state a configuration stands. Jobs and parts
  /// that have not ended are found without a look at those that have.
  private static let fleet = """
    CREATE TABLE configuration (id TEXT NOT NULL PRIMARY KEY, document BLOB NOT NULL)
      WITHOUT ROWID, STRICT;
    CREATE TABLE configuration_state (
      device TEXT NOT NULL, module TEXT NOT NULL, document BLOB NOT NULL,
      PRIMARY KEY (device, module)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE configuration_target (
      configuration TEXT NOT NULL, device TEXT NOT NULL, module TEXT NOT NULL,
      PRIMARY KEY (configuration, device, module)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE configuration_sweep (
      only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1), after TEXT
    ) STRICT;
    CREATE TABLE job (
      id TEXT NOT NULL PRIMARY KEY, start INTEGER NOT NULL, ended INTEGER, document BLOB NOT NULL
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX job_unfinished ON job (start, id) WHERE ended IS NULL;
    CREATE INDEX job_ended ON job (ended, id) WHERE ended IS NOT NULL;
    CREATE TABLE device_job (
      device TEXT NOT NULL, job TEXT NOT NULL, status TEXT NOT NULL, open INTEGER NOT NULL,
      document BLOB NOT NULL, PRIMARY KEY (device, job)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX device_job_of ON device_job (job, device);
    CREATE INDEX device_job_open ON device_job (job, device) WHERE open = 1;
    """

  private static let transfers = """
    CREATE TABLE transfer (id TEXT NOT NULL PRIMARY KEY, document BLOB NOT NULL)
      WITHOUT ROWID, STRICT;
    """

  /// Blobs, the files that their bytes are in, uploads under way, and the news of finished ones.
  ///
  /// A part with a position is content, one without waits for a list of blocks, one without a blob is
  /// garbage: its file is to be removed.
  private static let files = """
    CREATE TABLE blob (
      container TEXT NOT NULL, name TEXT NOT NULL, document BLOB NOT NULL,
      PRIMARY KEY (container, name)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE blob_part (
      file TEXT NOT NULL PRIMARY KEY, container TEXT, name TEXT, position INTEGER,
      block TEXT NOT NULL, size INTEGER NOT NULL, time INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX blob_part_of ON blob_part (container, name, position, block)
      WHERE container IS NOT NULL;
    CREATE INDEX blob_part_waiting ON blob_part (time)
      WHERE position IS NULL AND container IS NOT NULL;
    CREATE INDEX blob_part_garbage ON blob_part (file) WHERE container IS NULL;
    CREATE TABLE upload (
      id TEXT NOT NULL PRIMARY KEY, device TEXT NOT NULL, container TEXT NOT NULL,
      name TEXT NOT NULL, expiry INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX upload_of ON upload (device, expiry);
    CREATE INDEX upload_expiry ON upload (expiry);
    CREATE TABLE file_notification (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, container TEXT NOT NULL,
      name TEXT NOT NULL, size INTEGER NOT NULL, updated INTEGER NOT NULL,
      enqueued INTEGER NOT NULL, deliveries INTEGER NOT NULL
    ) STRICT;
    """
}
