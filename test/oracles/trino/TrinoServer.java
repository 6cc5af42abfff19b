import io.trino.plugin.iceberg.IcebergPlugin;
import io.trino.testing.DistributedQueryRunner;
import io.trino.testing.TestingSession;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;

/**
 * A Trino coordinator on a free loopback port, with one catalog "lake": the Iceberg tables of a JDBC catalog in SQLite.
 * Arguments: the SQLite file, a folder for what Trino writes, a file to put the base URL in once it answers. Ends with
 * its standard input.
 */
public final class TrinoServer {
  public static void main(String[] args) throws Exception {
    try {
      var session = TestingSession.testSessionBuilder().setCatalog("lake").setSchema("raw").build();
      var runner = DistributedQueryRunner.builder(session)
          .setWorkerCount(0)
          .addCoordinatorProperty("node-scheduler.include-coordinator", "true")
          .build();
      runner.installPlugin(new IcebergPlugin());
      runner.createCatalog("lake", "iceberg", Map.of(
          "iceberg.catalog.type", "jdbc",
          "iceberg.jdbc-catalog.driver-class", "org.sqlite.JDBC",
          "iceberg.jdbc-catalog.connection-url", "jdbc:sqlite:" + args[0],
          "iceberg.jdbc-catalog.catalog-name", "lake",
          "iceberg.jdbc-catalog.default-warehouse-dir", "file://" + args[1],
          "fs.native-local.enabled", "true",
          "local.location", "/"));
      Path ready = Path.of(args[2]);
      Path written = Path.of(args[2] + ".new");
      Files.writeString(written, runner.getCoordinator().getBaseUrl().toString());
      Files.move(written, ready, StandardCopyOption.ATOMIC_MOVE);
      while (System.in.read() >= 0) {
        // Nobody writes; the end of the input is the sign.
      }
      System.exit(0);
    } catch (Throwable failure) {
      failure.printStackTrace();
      System.exit(1);
    }
  }
}
