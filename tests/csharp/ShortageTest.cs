using System;
using System.IO;
using System.IO.MemoryMappedFiles;
using System.Globalization;
using System.Linq;
using Digits;

/// <summary>
/// Memory that runs out at any allocation of opening, of a session of two threads, and of another shape: ShortageTest
/// GOLDEN.txt DIGITS.amg, with a pair that allocates by tests/c/faults.h. Prints "ok".
/// </summary>
public static class ShortageTest
{
    private const int Call = 0; // that fails, and all after it; 0: none
    private const int Blocks = 8; // not yet freed

    private static void That(bool holds, string what)
    {
        if (!holds)
        {
            throw new Exception("fails: " + what);
        }
    }

    private static void Scores(Session session, float[] x, float[] wanted)
    {
        float[] got = new float[wanted.Length];
        session.Write(0, x);
        session.Run();
        session.Read(0, got);
        That(got.Zip(wanted, (a, b) => Math.Abs(a - b)).Max() <= 1e-5, "a score is not the golden one");
    }

    /// <summary>Gives how many allocations there are.</summary>
    private static int Starve(MemoryMappedViewAccessor numbers, Func<Model> open, float[] x, float[] wanted)
    {
        for (int call = 1; ; call++)
        {
            Model model = null;
            Session session = null;
            bool failed = false;
            numbers.Write(Call, (long)call);
            try
            {
                model = open();
                session = model.NewSession(2);
                session.SetShape(0, 2, 1, 8, 8);
            }
            catch (ModelException e)
            {
                That(e.Code == Code.Memory, $"allocation {call}: {e.Code} {e.Message}");
                failed = true;
            }
            numbers.Write(Call, 0L);
            model = model ?? open();
            session = session ?? model.NewSession();
            if (!failed)
            {
                session.SetShape(0, 1, 1, 8, 8);
            }
            Scores(session, x, wanted);
            session.Dispose();
            model.Dispose();
            long blocks = numbers.ReadInt64(Blocks);
            That(blocks == 0, $"{blocks} blocks are lost when allocation {call} fails");
            if (!failed)
            {
                return call - 1;
            }
        }
    }

    public static int Main(string[] args)
    {
        float[] words = File.ReadLines(args[0]).First().Split(' ')
            .Select(w => float.Parse(w, CultureInfo.InvariantCulture)).ToArray();
        float[] x = words.Take(64).Select(w => w / 255).ToArray();
        float[] wanted = words.Skip(65).ToArray();
        byte[] data = File.ReadAllBytes(args[1]);
        string faults = Environment.GetEnvironmentVariable("FAULTS");
        using (MemoryMappedFile file = MemoryMappedFile.CreateFromFile(faults, FileMode.Open))
        using (MemoryMappedViewAccessor numbers = file.CreateViewAccessor(0, 16))
        {
            int least = Starve(numbers, Model.Open, x, wanted);
            least = Math.Min(least, Starve(numbers, () => Model.Open(args[1]), x, wanted));
            int copied = Starve(numbers, () => Model.Open(data), x, wanted);
            That(least >= 7 && copied > least, $"{least} and {copied} allocations");
        }
        Console.WriteLine("ok");
        return 0;
    }
}
