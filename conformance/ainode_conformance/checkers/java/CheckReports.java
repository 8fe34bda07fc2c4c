// Holds reports against their templates with PixelMed's validator. In: the path of a folder. Beside each NAME.dcm in it: NAME.txt.
import com.pixelmed.validate.DicomSRValidator;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

public class CheckReports {
    public static void main(String[] arguments) throws Exception {
        DicomSRValidator validator = new DicomSRValidator(); // compiles every template of PS3.16: seconds, so once
        for (Path report : reportsIn(Path.of(arguments[0]))) {
            String name = report.getFileName().toString().replaceFirst("\\.dcm$", ".txt");
            Files.writeString(report.resolveSibling(name), saidOf(validator, report));
        }
    }

    private static List<Path> reportsIn(Path folder) throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".dcm")).sorted().collect(Collectors.toList());
        }
    }

    private static String saidOf(DicomSRValidator validator, Path report) {
        boolean describe = false;
        boolean matchCase = true;
        boolean ambiguous = false; // an item may fit several rows: no template forbids it
        boolean order = false; // none of TID 1500 and its templates has an order
        boolean templateId = true;
        try {
            return validator.validate(report.toString(), describe, matchCase, ambiguous, order, templateId);
        } catch (Exception fault) {
            return "Error: it broke: " + fault;
        }
    }
}
